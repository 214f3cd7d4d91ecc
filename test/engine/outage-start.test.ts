// The database away at start-up: told at once, with a code and what to do, never after a long silence.

import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/open-client.js'
import { errorCode } from '../../src/core/errors.js'
import { createEngine } from '../../src/engine/create-engine.js'
import { migrate } from '../../src/store/migrate.js'
import { createTestDatabase, databaseUrl } from '../support/database.js'
import { startOwnPostgres, type OwnPostgres } from '../support/own-postgres.js'

let postgres: OwnPostgres

beforeAll(async () => {
  postgres = await startOwnPostgres()
})
afterAll(() => postgres.drop())

describe('at start-up', () => {
  const silent: Server = createServer((socket) => socket.resume())
  let silentUrl: string

  beforeAll(async () => {
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve)
    })
    const address = silent.address()
    silentUrl = `postgres://a:b@127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}/x`
  })
  afterAll(
    () =>
      new Promise((resolve) => {
        silent.close(resolve)
      }),
  )

  const changed = (change: (url: URL) => void): string => {
    const url = new URL(postgres.url)
    change(url)
    return url.href
  }
  const unset: string = Object({}).DATABASE_URL
  const cases: readonly (readonly [what: string, url: () => string, code: string, text: RegExp])[] = [
    [
      'nobody listens',
      () => 'postgres://a:b@127.0.0.1:1/x',
      'DATABASE_UNAVAILABLE',
      /ECONNREFUSED.*Check that it/,
    ],
    [
      'the host does not exist',
      () => 'postgres://a:b@no.such.host.invalid/x',
      'DATABASE_UNAVAILABLE',
      /(ENOTFOUND|EAI_AGAIN).*Check that it is reachable/,
    ],
    ['the host says nothing', () => silentUrl, 'DATABASE_UNAVAILABLE', /TIMEOUT.*Check that it is reachable/],
    [
      'the socket is not there',
      () => 'postgres://a:b@localhost/x?host=/no/such/folder',
      'DATABASE_UNAVAILABLE',
      /ENOENT.*Check that it is reachable/,
    ],
    [
      'the password is wrong',
      () => changed((url) => (url.password = 'wrong')),
      'DATABASE_UNAVAILABLE',
      /password authentication failed.*Check the user, the password/,
    ],
    [
      'there is no such database',
      () => changed((url) => (url.pathname = '/nobody')),
      'DATABASE_UNAVAILABLE',
      /"nobody" does not exist.*database name/,
    ],
    ['the URL was not set', () => unset, 'SETTINGS', /none was given.*such as postgres:/],
    ['the URL is none', () => 'localhost:5432', 'SETTINGS', /does not begin with postgres:/],
    [
      'the URL is of something else',
      () => 'mysql://a:b@localhost/x',
      'SETTINGS',
      /does not begin with postgres:/,
    ],
    [
      'the port is none',
      () => 'postgres://a:secret@localhost:99999/x',
      'SETTINGS',
      /^(?!.*secret).*cannot be read/,
    ],
  ]

  it.concurrent.each(cases)(
    'tells quickly that %s',
    async (_what, url, code, text) => {
      const begun = performance.now()
      const attempts = [
        () => createEngine({ database: url(), workflows: [] }),
        () => createClient({ database: url() }),
        () => migrate({ url: url() }),
      ]
      const errors = await Promise.all(
        attempts.map((attempt) =>
          attempt().then(
            () => 'connected',
            (error: unknown) => error,
          ),
        ),
      )
      for (const error of errors) {
        expect(errorCode(error), String(error)).toBe(code)
        expect(error instanceof Error ? error.message : '').toMatch(text)
      }
      // A host that says nothing is given five seconds.
      expect(performance.now() - begun).toBeLessThan(15_000)
    },
    60_000,
  )

  it('tells that the tables are missing', async () => {
    const missing = { url: databaseUrl(), schema: 'nobody_migrated_this' }
    const expected = { code: 'DATABASE_SCHEMA', message: expect.stringMatching(/Run "cerebelum migrate"/) }
    await expect(createEngine({ database: missing, workflows: [] })).rejects.toMatchObject(expected)
    await expect(createClient({ database: missing })).rejects.toMatchObject(expected)
  })

  it('tells that a migration is half done', async () => {
    const database = await createTestDatabase()
    try {
      const sql = database.connect()
      await sql`delete from settings`
      await expect(
        createClient({ database: { url: database.url, schema: database.schema } }),
      ).rejects.toMatchObject({
        code: 'DATABASE_SCHEMA',
        message: expect.stringMatching(/has not been completed. Run "cerebelum migrate"/),
      })
    } finally {
      await database.drop()
    }
  })
})
