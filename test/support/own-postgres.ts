// A PostgreSQL of a test's own, for what must not happen to the one that all tests share: killed, frozen, started again
// on the same data at the same address.

import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '../../src/cli/embedded-postgres.js'
import { serverPids } from '../../src/cli/postgres-process.js'
import { eventually } from './wait.js'

export interface OwnPostgres {
  /** The same before and after a restart. */
  readonly url: string
  /** Where its data is, until `drop`. */
  readonly dataDir: string
  /** SIGKILL to every process of the server; nobody starts it again before `restart`. */
  kill(): Promise<void>
  /** In good order, whoever uses it. */
  shutDown(): Promise<void>
  /** Starts it on the same data; it recovers. */
  restart(): Promise<void>
  /** SIGSTOP to every process: connections stay and nothing answers. */
  freeze(): Promise<void>
  thaw(): void
  /** Stops it and leaves its data for somebody to look at. */
  keep(): Promise<void>
  /** Stops it and removes its data. */
  drop(): Promise<void>
}

/** `settings` beside those of the embedded server, after a restart too. */
export async function startOwnPostgres(
  options: Pick<EmbeddedPostgresOptions, 'settings'> = {},
): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'cerebelum-own-'))
  // As root the server runs as another user, who must be able to enter.
  await chmod(folder, 0o755)
  const dataDir = join(folder, 'data')
  const port = await freePort()
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ ...options, dataDir, port })
  let frozen: readonly number[] = []
  const cluster = join(dataDir, 'cluster')
  const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, name)
      } catch {
        // It ended between the listing and now.
      }
    }
  }
  const pids = async (): Promise<number[]> => serverPids(await realpath(cluster))
  const url = new URL(server.url)
  url.searchParams.delete('host')
  url.hostname = '127.0.0.1'
  url.port = String(port)
  const end = async (): Promise<void> => {
    signal(frozen, 'SIGCONT')
    await server.stop({ evenIfUsed: true })
    signal(await pids().catch(() => []), 'SIGKILL')
  }
  return {
    url: url.href,
    dataDir,
    async kill() {
      signal(await pids(), 'SIGKILL')
      // It would be started again by those who use it.
      await server.stop()
      // One that was born between the listing and the signal outlives the others.
      const isGone = async (): Promise<boolean> => {
        const left = await pids()
        signal(left, 'SIGKILL')
        return left.length === 0
      }
      await eventually(isGone, { what: 'the end of the server' })
    },
    async shutDown() {
      await server.stop({ evenIfUsed: true })
    },
    async restart() {
      server = await startEmbeddedPostgres({ ...options, dataDir, port })
    },
    async freeze() {
      frozen = await pids()
      signal(frozen, 'SIGSTOP')
    },
    thaw() {
      signal(frozen, 'SIGCONT')
      frozen = []
    },
    keep: end,
    async drop() {
      await end()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
