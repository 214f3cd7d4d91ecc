// EXPLAIN of every statement of the store, on the database at hand, with tables large enough that the planner cares:
// nothing large is read from end to end, and the indexes that a statement's comment promises are those it goes by.
// Statements are taken from a running store, and held against the source: one that is not looked at fails.

import { fileURLToPath } from 'node:url'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../src/store/migrate.js'
import { createPool } from '../../src/store/pool.js'
import type { Store } from '../../src/store/store.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { analyzeTables, fillTables } from '../support/filled-tables.js'
import { explain } from '../support/plan.js'
import { type Proxy, startProxy } from '../support/proxy.js'
import { readSourceTree } from '../support/source-tree.js'
import { readSqlTemplates, type SqlTemplate } from '../support/sql-templates.js'
import { runEveryStatement } from '../support/every-statement.js'
import type { Statement } from '../support/wire.js'

const LARGE = ['executions', 'events', 'timers', 'signals', 'turns']

const root = fileURLToPath(new URL('../..', import.meta.url))
const source = readSourceTree(root, 'src/store')
// Those of a migration are run once, on tables of its own with a row each.
const templates = readSqlTemplates(new Map([...source].filter(([path]) => !path.endsWith('/migrate.ts'))))

let database: TestDatabase
let proxy: Proxy
let store: Store
let sql: postgres.Sql
/** As the store's own, so that parameters go as they came. */
let explainer: postgres.Sql
const seen = new Map<string, Statement>()

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect({ max: 1, prepare: false })
  explainer = createPool({
    url: databaseUrl(),
    connections: 1,
    statementTimeoutMs: 60_000,
    settings: false,
    name: 'explain',
  })
  proxy = await startProxy(databaseUrl())
  proxy.onStatement = (statement) => void seen.set(statement.text, statement)
  await migrate({ url: proxy.url, schema: database.schema })
  store = await database.openStore({ url: proxy.url, retryForMs: 5_000 })
  await fillTables(sql, store.dialect)
  await runEveryStatement({ store, proxy, sql, schema: database.schema })
  // CockroachDB's own statistics may have come in between: of the tables while they were still empty.
  if (store.dialect === 'cockroachdb') await analyzeTables(sql, store.dialect)
}, 300_000)
afterAll(async () => {
  await explainer.end()
  await database.drop()
  await proxy.close()
})

/** The template that a text was made of: of those that match, the one that says most of it. */
function templateOf(text: string): SqlTemplate | undefined {
  return templates
    .filter(({ pattern }) => pattern.test(text))
    .toSorted((one, other) => other.fixed - one.fixed)[0]
}

/** The statements of one function share its comment. */
const functions = [...new Set(templates.map(({ name }) => name))].map((name) => ({
  name,
  templates: templates.filter((template) => template.name === name),
}))

test('the source is read: its statements, with what they promise', () => {
  expect(templates.length).toBeGreaterThan(50)
  const silent = templates.filter(({ comment }) => comment === '').map(({ name }) => name)
  expect(silent).toEqual([])
})

test('every statement that is sent stands in the source', () => {
  const ours = [...seen.keys()].filter((text) => text.includes(`"${database.schema}"."`))
  const strangers = ours.filter((text) => !/migrations_|^create|payments/.test(text.trim()))
  expect(strangers.filter((text) => templateOf(text) === undefined)).toEqual([])
})

describe.each(functions)('$name', ({ name, templates: [template, ...others] }) => {
  test('reads nothing large from end to end, and goes by the indexes that it names', async () => {
    const mine = [...seen.values()].filter(({ text }) => templateOf(text)?.name === name)
    if (template?.dialect !== undefined && template.dialect !== store.dialect) {
      return expect(mine, 'statements of the other database').toEqual([])
    }
    expect(mine.length, 'statements like this that were seen').toBeGreaterThan(others.length)
    const used = new Set<string>()
    for (const statement of mine) {
      for (const plan of await explain(explainer, store.dialect, statement)) {
        expect(
          plan.scanned.filter((table) => LARGE.includes(table)),
          `${statement.text}\n${plan.text}`,
        ).toEqual([])
        for (const index of plan.indexes) used.add(index)
      }
    }
    const promised = template?.indexes.filter((indexes) => indexes.some(isLarge)) ?? []
    const touches = mine.some(({ text }) => LARGE.some((table) => text.includes(`"${table}"`)))
    if (touches) expect(promised, template?.comment).not.toEqual([])
    expect(promised.filter((indexes) => !indexes.some((index) => used.has(index)))).toEqual([])
  })
})

function isLarge(index: string): boolean {
  return LARGE.some((table) => index.startsWith(`${table}_`))
}
