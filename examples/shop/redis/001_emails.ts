/**
 * Addresses of users are kept in lower case.
 *
 * Before: `email` = `Ada@Example.com`. After: `email` = `ada@example.com`. A rerun is safe: what is in lower case already
 * is left alone, and a write happens only over the value that was read.
 *
 * @module
 */

import { decodeText, encodeText, type RedisMigration, transformRecords } from "@outpost/migrate";

/** The migration. */
export const emails: RedisMigration = {
  name: "001_emails",
  version: 1,
  description: "Addresses of users in lower case",
  change: transformRecords({
    pattern: "user:*",
    fields: ["email"],
    kindOf: (key) => key.startsWith("user:") ? "users" : null,
    change(_kind, [email]) {
      if (!email) return null;
      const address = decodeText(email); // Values are bytes.
      if (!address?.includes("@")) return { invalid: "email" };
      const lower = encodeText(address.toLowerCase());
      return lower === email ? null : ["email", lower];
    },
    groupOf: (key) => key,
  }),
};
