// Where a benchmark runs: the database of `--database-url`, else an embedded PostgreSQL in a fresh folder that is
// removed afterwards. Every contestant gets a schema of its own. Durability stays on: nothing here may turn it off.

import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type postgres from 'postgres'
import { startEmbeddedPostgres } from '../../src/cli/embedded-postgres.js'
import { migrate } from '../../src/store/migrate.js'
import { reportingSchema } from '../../src/store/tables.js'
import { createPool } from '../../src/store/pool.js'

export interface Place {
  readonly url: string
  /** "PostgreSQL 18.4" and where it runs. */
  readonly server: string
  readonly isPostgres: boolean
  /** Of the server, when it runs on this machine and is ours. */
  readonly serverPid: number | undefined
  /** A plain client for reading counters. */
  readonly sql: postgres.Sql
  /** Migrates and names a fresh schema. */
  freshSchema(options?: { readonly partitionCount?: number }): Promise<string>
  /** Has the database write out what the last contestant left in its memory: nobody else pays for that. */
  settle(): Promise<void>
  close(): Promise<void>
}

export async function openPlace(
  databaseUrl: string | undefined,
  settings: Readonly<Record<string, number>> = {},
): Promise<Place> {
  const owned = databaseUrl === undefined ? await startOwn(settings) : undefined
  const url = databaseUrl ?? owned?.url ?? ''
  const sql = createPool({
    url,
    connections: 2,
    statementTimeoutMs: 600_000,
    settings: false,
    name: 'cerebelum bench',
  })
  const [row] = await sql<{ version: string }[]>`select version() as version`
  const version = row?.version ?? 'unknown'
  const isPostgres = version.startsWith('PostgreSQL')
  if (isPostgres) await refuseUnsafe(sql)
  const schemas: string[] = []
  return {
    url,
    server: `${version.split(' (')[0]?.split(' on ')[0] ?? version}, ${owned === undefined ? 'given by URL' : 'embedded'}`,
    isPostgres,
    serverPid: owned?.pid,
    sql,
    async freshSchema({ partitionCount } = {}) {
      const schema = `bench_${randomBytes(6).toString('hex')}`
      await migrate({ url, schema, ...(partitionCount !== undefined && { partitionCount }) })
      schemas.push(schema)
      return schema
    },
    async settle() {
      // A user who may not is told by the server; the figures then hold a little more noise.
      if (isPostgres) await sql`checkpoint`.catch(() => undefined)
    },
    async close() {
      if (owned === undefined) {
        for (const schema of schemas.flatMap((name) => [reportingSchema(name), name]))
          await sql`drop schema if exists ${sql(schema)} cascade`
      }
      await sql.end({ timeout: 5 })
      await owned?.stop()
    },
  }
}

/** A figure got without durability is no figure. */
async function refuseUnsafe(sql: postgres.Sql): Promise<void> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')`
  const off = rows.filter(({ setting }) => setting === 'off').map(({ name }) => name)
  if (off.length > 0) {
    await sql.end({ timeout: 5 })
    throw new Error(`This database runs with ${off.join(', ')} off. Turn it on: durability is never traded.`)
  }
}

async function startOwn(
  settings: Readonly<Record<string, number>>,
): Promise<{ url: string; pid: number; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'cerebelum-bench-'))
  // As root the server runs as another user, who must be able to enter.
  await chmod(folder, 0o711)
  const server = await startEmbeddedPostgres({ dataDir: join(folder, 'data'), settings })
  return {
    url: server.url,
    pid: server.pid,
    async stop() {
      await server.stop({ evenIfUsed: true })
      await rm(folder, { recursive: true, force: true })
    },
  }
}
