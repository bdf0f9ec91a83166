import { assertEquals } from "@std/assert";
import { isUnavailable, isUnknown } from "../../../../engine/redis/errors.ts";

const reply = (message: string) => Object.assign(new Error(message), { name: "ReplyError" });

Deno.test("isUnknown() knows the words of each kind of server for a command that it does not have", () => {
  for (
    const message of [
      "ERR unknown command 'HPEXPIRETIME', with args beginning with: 'x' ", // Redis 7 and 8, Valkey
      "ERR unknown command `EVAL_RO`, with args beginning with: `return(1)`, ", // Redis 6.2
      "ERR unknown command `HPEXPIRETIME`", // Dragonfly
      "ERR unknown subcommand 'USAGE'. Try MEMORY HELP.",
      "ERR Command is not available: 'MEMORY'. See https://example.com for details", // Servers that are let out
      "ERR command eval not support for your account",
      "ERR Command disallowed",
      "ERR Unknown subcommand or wrong number of arguments for 'COUNTKEYSINSLOT'. Try CLUSTER HELP.", // Redis 6.2
    ]
  ) {
    assertEquals([isUnknown(reply(message)), isUnavailable(reply(message))], [true, true], message);
    assertEquals(isUnavailable(new Error(message)), false, "said by nobody");
  }
});

Deno.test("isUnavailable() takes what a server says that cannot answer now, or that a script failed, for nothing else", () => {
  assertEquals(isUnavailable(reply("NOPERM User u has no permissions to run the 'info' command")), true);
  for (
    const message of [
      "BUSY Redis is busy running a script",
      "LOADING Redis is loading the dataset in memory",
      "MASTERDOWN Link with MASTER is down",
      "NOAUTH Authentication required.",
      "MOVED 5000 127.0.0.1:6379",
      "ERR max number of clients reached",
      "ERR no such key",
      "ERR Unknown Redis command called from script script: 3c44, on @user_script:1.", // Redis 7 and 8
      "ERR Unknown command called from script script: 3c44, on @user_script:1.", // Valkey
      "ERR This Redis command is not allowed from script script: 3c44, on @user_script:1.",
      "ERR Error running script (call to f_3c44): @user_script:1: @user_script: 1: Unknown Redis command called from Lua script",
      "ERR ACL failure in script: User u has no permissions to run the 'memory|usage' command script: 3c44, on @user_script:1.",
    ]
  ) assertEquals(isUnavailable(reply(message)), false, message);
});
