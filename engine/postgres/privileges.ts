/**
 * Who may do what with a table, carried over to the one that takes its place: a new one has what is set for new tables.
 *
 * @module
 */

import type { SqlStatement } from "../sql/statement.ts";
import { quoteLiteral } from "./query.ts";

/** Gives a table exactly the privileges of another one, which its owner granted. */
export function carryPrivileges(from: string, to: string): SqlStatement {
  const [old, made] = [from, to].map((table) => `${quoteLiteral(table)}::regclass`);
  return {
    text: `DO $$
DECLARE
  one record;
BEGIN
  IF (SELECT relacl FROM pg_class WHERE oid = ${old}) IS NOT DISTINCT FROM
     (SELECT relacl FROM pg_class WHERE oid = ${made}) THEN
    RETURN;
  END IF;
  FOR one IN
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
      FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) WHERE c.oid = ${made}
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s', ${made}, one.grantee);
  END LOOP;
  FOR one IN
    SELECT privilege_type AS privilege, is_grantable AS further,
           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
      FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) WITH ORDINALITY WHERE c.oid = ${old}
     ORDER BY ordinality
  LOOP
    EXECUTE format('GRANT %s ON %s TO %s', one.privilege, ${made}, one.grantee)
      || CASE WHEN one.further THEN ' WITH GRANT OPTION' ELSE '' END;
  END LOOP;
END
$$`,
  };
}
