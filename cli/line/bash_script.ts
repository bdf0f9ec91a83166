/**
 * Completion in bash, which needs nothing but bash: the package bash-completion is used where it is there, for what comes after
 * `--`. What was typed is passed on as it is and never evaluated.
 *
 * @module
 */

/** The script. @param start What starts this program, as bash reads it. */
export function bashScript(start: string): string {
  return `# bash completion for outpost
__outpost_complete() {
    local cur=\${COMP_WORDS[COMP_CWORD]} i line word reply
    local -a words=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case \${COMP_WORDS[i]} in
            --) __outpost_other_command $((i + 1)); return ;;
            =) ;; # bash takes --flag=value apart
            *) words+=("\${COMP_WORDS[i]}") ;;
        esac
    done
    [[ $cur == = ]] && cur=
    words+=("$cur")
    reply=$(${start} complete -- "\${words[@]}" 2>/dev/null) || return
    while IFS= read -r line; do
        word=\${line%%$'\\t'*}
        if [[ $word == :0 ]]; then
            __outpost_files "$cur"
        elif [[ -n $word && $word != :* && $word == "$cur"* ]]; then
            COMPREPLY+=("$word")
        fi
    done <<< "$reply"
}

__outpost_files() {
    local line
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$1")
}

# What comes after -- is a command of its own.
__outpost_other_command() {
    local line
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)); then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}" | sort -u)
    else
        __outpost_files "\${COMP_WORDS[COMP_CWORD]}"
    fi
}

complete -F __outpost_complete outpost
`;
}

/** What zsh and fish are told beside the library's script, so that they complete the command after `--` as any other. */
export const OTHER_COMMAND: Readonly<Record<string, string>> = {
  zsh: `
_outpost_or_other_command() {
    local at=\${words[(i)--]}
    if ((at < CURRENT)); then
        shift $at words
        ((CURRENT -= at))
        _normal
    else
        _outpost
    fi
}
compdef _outpost_or_other_command outpost
`,
  fish: `
function __outpost_other_command
    set -l typed (commandline -opc)
    set -l at (contains -i -- -- $typed)
    set -e typed[1..$at]
    complete -C (string join -- ' ' (string escape -- $typed) (commandline -ct))
end
complete -c outpost -n 'contains -- -- (commandline -opc)' -f -a '(__outpost_other_command)'
`,
};
