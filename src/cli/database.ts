// The database of a command: the one that the settings name, or else an embedded PostgreSQL.

import type { Logger } from '../core/ports.js'
import type { Config } from './config.js'
import { startEmbeddedPostgres } from './embedded-postgres.js'

export interface CommandDatabase {
  readonly url: string
  readonly isEmbedded: boolean
  /** For people; no secrets. */
  readonly description: string
  close(): Promise<void>
}

/** @throws CerebelumError SETTINGS | DATABASE_UNAVAILABLE */
export async function openDatabase(config: Config, log: Logger): Promise<CommandDatabase> {
  const { databaseUrl: url, dataDir, databasePort } = config
  if (url !== undefined) {
    return { url, isEmbedded: false, description: hostOf(url), close: () => Promise.resolve() }
  }
  const server = await startEmbeddedPostgres({
    dataDir,
    log,
    ...(databasePort === undefined ? {} : { port: databasePort }),
  })
  return {
    url: server.url,
    isEmbedded: true,
    description: `embedded PostgreSQL in ${dataDir}${server.adopted ? ' (it ran already)' : ''}`,
    close: () => server.stop(),
  }
}

function hostOf(url: string): string {
  const { host, pathname, searchParams } = new URL(url)
  return `database ${pathname.slice(1)} on ${searchParams.get('host') ?? host}`
}
