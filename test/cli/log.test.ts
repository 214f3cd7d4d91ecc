// What a node logs of a step that fails: lines that can be joined by execution, step, node and request, and no secrets.

import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { logError } from '../../src/cli/log-error.js'
import { PROGRAM } from '../support/build.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startNodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'

const WORKFLOWS = fileURLToPath(new URL('fixtures/failing.mjs', import.meta.url))
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const lineShape = z.looseObject({ level: z.string(), time: z.string(), msg: z.string() })
type Line = z.infer<typeof lineShape>

function linesOf(output: string): Line[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => lineShape.parse(JSON.parse(line)))
}

test('the lines of a failing step carry execution, step, attempt, node and request, and no secret', async () => {
  const { url, schema } = database
  const args = ['serve', '--workflows', WORKFLOWS, '--database-url', url, '--schema', schema]
  const serving = startNodeProcess({ file: PROGRAM, args: [...args, '--port', '0', '--log-level', 'debug'] })
  const [, origin = ''] = await serving.waitForOutput(/"url":"([^"]+)"/, { deadlineMs: 30_000 })
  const started = await fetch(`${origin}/api/v1/executions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': 'request-7' },
    body: JSON.stringify({ workflow: 'failing', id: 'order-7' }),
  })
  expect(started.status).toBe(201)
  await fetch(`${origin}/api/v1/executions/order-7/history`)
  const lines = await eventually(
    () => {
      const all = linesOf(serving.output())
      return all.some(({ msg }) => msg === 'an execution failed') && all
    },
    { deadlineMs: 30_000, what: 'the line about the end' },
  )
  const [row] = await database.connect()<{ node_id: string }[]>`select node_id from leases`
  const about = { executionId: 'order-7', nodeId: row?.node_id, workflow: 'failing', run: 1 }
  const find = (text: string): Line | undefined => lines.find(({ msg }) => msg === text)
  expect(find('an attempt of a step failed; another one follows')).toMatchObject({
    ...about,
    level: 'debug',
    step: 'pay',
    attempt: 1,
    err: { type: 'Error', code: 'E_BANK', cause: { type: 'TypeError' } },
  })
  expect(find('a step failed for good')).toMatchObject({ ...about, level: 'info', step: 'pay', attempt: 2 })
  expect(find('an execution failed')).toMatchObject({ ...about, level: 'info' })
  const isStart = (line: Line): boolean => line.msg === 'request' && line['method'] === 'POST'
  expect(lines.find(isStart)).toMatchObject({ requestId: 'request-7', executionId: 'order-7', status: 201 })
  expect(lines.find((line) => line['path'] === '/api/v1/executions/order-7/history')).toMatchObject({
    method: 'GET',
    executionId: 'order-7',
  })
  expect(serving.output()).not.toMatch(/hunter|abc\.def/)
  const { password } = new URL(url)
  if (password !== '') expect(serving.output()).not.toContain(password)
  await serving.kill('SIGTERM')
})

test('credentials in texts are struck out, and what an error carries along is left out', () => {
  const error = Object.assign(
    new Error('postgres://me:hunter2@db/x?password=hunter3 {"apiKey": "hunter4"} Basic aHVudGVyMg=='),
    { config: { headers: { cookie: 'hunter5' } }, code: 'E' },
  )
  const logged = logError(new Error('outer', { cause: error }))
  expect(JSON.stringify(logged)).not.toMatch(/hunter|aHVudGVyMg/)
  expect(logged).toMatchObject({ type: 'Error', message: 'outer', cause: { code: 'E' } })
  expect(logged.cause?.message).toContain('postgres://***@db/x')
})

test.each([undefined, null, 'text', 7, { message: 'x' }])(
  'anything can be thrown and logged: %s',
  (thrown) => {
    expect(typeof logError(thrown).message).toBe('string')
  },
)
