// One database for the whole test run: the one that CEREBELUM_TEST_DATABASE_URL names, else an embedded
// PostgreSQL with its data in a fresh folder under the OS temp directory, stopped and removed afterwards.
// Tests get its URL by `inject('databaseUrl')` and, in child processes, from CEREBELUM_TEST_DATABASE_URL.

import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/cli/embedded-postgres.js'
import { buildIfStale } from './build.js'

declare module 'vitest' {
  export interface ProvidedContext {
    databaseUrl: string
    /** By CEREBELUM_TEST_DATABASE_URL: it may be a CockroachDB, and its server is not ours to kill. */
    databaseIsGiven: boolean
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  buildIfStale()
  const given = process.env['CEREBELUM_TEST_DATABASE_URL']
  if (given !== undefined && given !== '') {
    project.provide('databaseUrl', given)
    project.provide('databaseIsGiven', true)
    return () => Promise.resolve()
  }
  const folder = await mkdtemp(join(tmpdir(), 'cerebelum-test-'))
  // As root the server runs as another user, who must be able to enter.
  await chmod(folder, 0o711)
  const server = await startEmbeddedPostgres({ dataDir: join(folder, 'data') })
  process.env['CEREBELUM_TEST_DATABASE_URL'] = server.url
  project.provide('databaseUrl', server.url)
  project.provide('databaseIsGiven', false)
  return async () => {
    await server.stop({ evenIfUsed: true })
    await rm(folder, { recursive: true, force: true })
  }
}
