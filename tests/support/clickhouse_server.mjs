// A ClickHouse engine (chdb) behind the part of ClickHouse's HTTP interface that its client uses. Run by node:
//
//   node clickhouse_server.mjs PACKAGES DATA [USERNAME PASSWORD]
//
// PACKAGES holds node_modules/chdb, DATA gets the data. Prints the port it listens on.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const [packages, data, username = "default", password = ""] = process.argv.slice(2);
const { Session } = createRequire(join(packages, "package.json"))("chdb");
// Clusters as a server's administrator would name them: this engine alone, and this engine beside one that is not there.
const here = "<replica><host>localhost</host><port>9000</port></replica>";
const config = `${data}.xml`;
writeFileSync(
  config,
  `<clickhouse><tcp_port>9000</tcp_port><remote_servers>
  <alone><shard>${here}</shard></alone>
  <sharded><shard>${here}</shard><shard>${here}</shard></sharded>
  <broken><shard>${here}<replica><host>127.0.0.1</host><port>1</port></replica></shard></broken>
</remote_servers></clickhouse>`,
);
const session = new Session(data, { connectionArgs: [`--config-file=${config}`] });

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  if (url.pathname === "/ping") return response.end("Ok.\n");
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    try {
      if (!allowed(request, url)) {
        return fail(response, 403, 516, "Authentication failed. (AUTHENTICATION_FAILED)");
      }
      response.end(answer(url.searchParams, Buffer.concat(chunks).toString()));
    } catch (error) {
      const code = Number(/Code: (\d+)/.exec(error.message)?.[1] ?? 1001);
      fail(
        response,
        code === 60 || code === 81 ? 404 : 500,
        code,
        error.message.replace(/^.*?DB::Exception: /, ""),
      );
    }
  });
});

function allowed({ headers }, { searchParams }) {
  const [, encoded] = (headers.authorization ?? "").split(" ");
  const [user, secret] = encoded ? Buffer.from(encoded, "base64").toString().split(/:(.*)/s) : [
    headers["x-clickhouse-user"] ?? searchParams.get("user") ?? "default",
    headers["x-clickhouse-key"] ?? searchParams.get("password") ?? "",
  ];
  return user === username && secret === password;
}

function answer(parameters, body) {
  const text = [parameters.get("query"), body].filter(Boolean).join("\n");
  session.query(`USE \`${(parameters.get("database") ?? "default").replaceAll("`", "\\`")}\``);
  const [, statement, format] = /^(.*?)(?:\s+FORMAT\s+(\w+)\s*)?;?\s*$/is.exec(text);
  const named = {};
  for (const [name, value] of parameters) if (name.startsWith("param_")) named[name.slice(6)] = value;
  return Object.keys(named).length > 0
    ? session.queryBind(statement, named, format ?? "TabSeparated")
    : session.query(statement, format ?? "TabSeparated");
}

function fail(response, status, code, message) {
  response.writeHead(status, { "x-clickhouse-exception-code": String(code) });
  response.end(`Code: ${code}. DB::Exception: ${message}`);
}

server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
