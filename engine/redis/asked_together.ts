/**
 * One question for all who ask it at the same time: of a thousand deployments in one Redis, each wants to know what the server tells
 * of itself.
 *
 * @module
 */

/**
 * Makes a question be asked once for all who ask before it is sent. Whoever asks while it is under way is told the answer to the next
 * one: what was asked for before something was written says nothing of that.
 *
 * @param question Asked of one at a time, such as a connection.
 */
export function askedTogether<Of extends object, Answer>(
  question: (of: Of) => Promise<Answer>,
): (of: Of) => Promise<Answer> {
  const waiting = new WeakMap<Of, Promise<Answer>>();
  const last = new WeakMap<Of, Promise<Answer>>();
  return (of) => {
    const joined = waiting.get(of);
    if (joined !== undefined) return joined;
    const ask = () => {
      waiting.delete(of);
      return question(of);
    };
    const asked = (last.get(of) ?? Promise.resolve()).then(ask, ask);
    waiting.set(of, asked);
    last.set(of, asked);
    return asked;
  };
}
