// The role that may read the reporting views and nothing else of an installation. Roles belong to the whole server, so that
// only who migrates with that wish makes one.

import type postgres from 'postgres'
import { CerebelumError } from '../core/errors.js'
import { failureCode, sortFailure } from './failures.js'
import { reportingSchema } from './tables.js'

/** Makes the role, without a login, if it isn't there, and lets it read the views, later ones too. Idempotent. */
export async function grantReporting(
  pool: postgres.Sql,
  options: { readonly schema: string; readonly role: string },
): Promise<void> {
  const role = checkedRole(options.role)
  const schema = reportingSchema(options.schema)
  await makeRole(pool, role)
  // CockroachDB wants it for the schema of the tables too, which shows their names and no row.
  for (const name of [options.schema, schema])
    await pool`grant usage on schema ${pool(name)} to ${pool(role)}`
  await pool`grant select on all tables in schema ${pool(schema)} to ${pool(role)}`
  await pool`alter default privileges in schema ${pool(schema)} grant select on tables to ${pool(role)}`
}

async function makeRole(pool: postgres.Sql, role: string): Promise<void> {
  const [found] = await pool`select 1 from pg_catalog.pg_roles where rolname = ${role}::text`
  if (found !== undefined) return
  try {
    await pool`create role ${pool(role)} with nologin`
  } catch (error) {
    // duplicate_object: somebody else made it meanwhile.
    if (sortFailure(error) === 'duplicate' || failureCode(error) === '42710') return
    const text = `The role "${role}" cannot be made (${failureCode(error) ?? 'unknown'}). Have somebody with the right to make roles run "create role ${role} with nologin", and migrate again.`
    throw new CerebelumError('SETTINGS', text, { cause: error, role })
  }
}

function checkedRole(role: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(role)) return role
  const text = `The role name "${role}" cannot be used. Take lower-case letters, digits and underscores, at most 63.`
  throw new CerebelumError('SETTINGS', text)
}
