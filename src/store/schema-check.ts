// Whether this release and the schema fit: asked when a store is opened, before anything is claimed. A schema that lacks
// a migration of this release is refused. One that has more is fine, as long as it still serves the release before
// (add first, remove a release later); the migration that removes says so by the setting `oldest_node`: the number of
// the last migration that a node must know.

import { readdir } from 'node:fs/promises'
import { CerebelumError } from '../core/errors.js'
import type { Dialect } from './dialect.js'
import { readSetting } from './settings.js'
import type { Database } from './tables.js'

/** The migrations of this release. */
export function migrationsFolder(dialect: Dialect): URL {
  return new URL(`../../sql/${dialect}/`, import.meta.url)
}

/** @throws CerebelumError DATABASE_SCHEMA */
export async function checkSchema(database: Database, dialect: Dialect): Promise<void> {
  const known = await knownMigrations(dialect)
  const applied = await appliedMigrations(database)
  const missing = [...known.keys()].filter((number) => !applied.has(number))
  if (missing.length > 0) {
    const names = missing.map((number) => known.get(number)).join(', ')
    const text = `The database's schema is older than this release: it lacks ${names}. Run "cerebelum migrate" with this release; nodes of the release before go on working.`
    throw new CerebelumError('DATABASE_SCHEMA', text, { missing })
  }
  const newest = Math.max(...known.keys())
  const oldestNode = Number((await readSetting(database, OLDEST_NODE)) ?? 0)
  if (oldestNode <= newest) return
  const text = `This release is older than the database's schema: it ends at migration ${newest}, and the schema serves only nodes that know migration ${oldestNode}. Upgrade this node.`
  throw new CerebelumError('DATABASE_SCHEMA', text, { newest, oldestNode })
}

const OLDEST_NODE = 'oldest_node'

/** Number to name, of the files `NNNN-what.sql`. */
async function knownMigrations(dialect: Dialect): Promise<ReadonlyMap<number, string>> {
  const files = await readdir(migrationsFolder(dialect))
  return new Map(
    files
      .filter((file) => file.endsWith('.sql'))
      .toSorted()
      .map((file) => [Number.parseInt(file, 10), file.slice(0, -'.sql'.length)]),
  )
}

/** One row per migration. */
async function appliedMigrations({ sql, tables }: Database): Promise<ReadonlySet<number>> {
  const rows = await sql<{ index: number }[]>`
    select m.index from ${tables.migrationsApplied} as m where not m.obsolete`
  return new Set(rows.map(({ index }) => index))
}
