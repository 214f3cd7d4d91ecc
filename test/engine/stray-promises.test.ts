// Promises that a workflow leaves alone: whatever becomes of them, the node lives, and so do all others.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

async function start(): Promise<NodeProcess> {
  const file = new URL('fixtures/stray-promises.ts', import.meta.url)
  const child = startNodeProcess({ file, args: [database.url, database.schema] })
  await child.waitForOutput('ready')
  return child
}

it('a promise that a workflow leaves alone may fail in any way without ending its node', async () => {
  const child = await start()
  for (const name of [
    'a step',
    'an async function',
    'an async function, awaited later',
    'a wrapped error',
    'several',
  ]) {
    child.writeLine(name)
    await child.waitForOutput(`${name}: done`)
  }
  child.writeLine('stop')
  expect(await child.exited).toEqual({ code: 0, signal: null })
})

it('a rejection that is not of a workflow ends the process, as it always did', async () => {
  const child = await start()
  child.writeLine('stray of its own')
  expect((await child.exited).code).toBe(1)
  expect(child.output()).toContain('not of a workflow')
})
