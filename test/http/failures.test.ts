// What was thrown, as a problem: strangers leak nothing, ours keep their code, their advice and their safe details.

import { expect, test } from 'vitest'
import { createHttpApp } from '../../src/http/app.js'
import { CerebelumError, type ErrorCode, type ErrorDetails } from '../../src/core/errors.js'
import { unreachableClient } from './unreachable-client.js'

async function answerTo(error: unknown): Promise<{ response: Response; body: unknown; text: string }> {
  const client = { ...unreachableClient(), get: () => Promise.reject(error) }
  const app = createHttpApp({ client, readiness: () => Promise.resolve({ ready: true }) })
  const response = await app.request('/api/v1/executions/x')
  const text = await response.text()
  return { response, text, body: JSON.parse(text) }
}

const ours = (code: ErrorCode, details: ErrorDetails = {}) =>
  answerTo(new CerebelumError(code, 'password=hunter2 at db.internal', details))

test('a stranger becomes a bare 500', async () => {
  const { response, body, text } = await answerTo(
    Object.assign(new Error('password=hunter2'), { code: 'EPIPE' }),
  )
  expect(response.status).toBe(500)
  expect(body).toMatchObject({ code: 'INTERNAL', status: 500 })
  expect(text).not.toContain('hunter2')
})

test.each(['DATABASE_UNAVAILABLE', 'DATABASE_FAILED', 'OUTCOME_UNKNOWN', 'SETTINGS', 'INTERNAL'] as const)(
  '%s keeps its code and hides its text',
  async (code) => {
    const { body, text } = await ours(code)
    expect(body).toMatchObject({ code })
    expect(text).not.toContain('hunter2')
  },
)

test('details are shown when they are on the list and plain', async () => {
  const { body, response } = await ours('TOO_MANY', {
    executionId: 'x',
    limit: 'inboxMax',
    retryAfterMs: 2_500,
    status: 'running',
    sql: 'select 1',
    issues: [{ secret: 1 }],
    cause: new Error('inner'),
  })
  expect(response.status).toBe(429)
  expect(response.headers.get('retry-after')).toBe('3')
  expect(body).toMatchObject({ status: 429, executionId: 'x', limit: 'inboxMax', executionStatus: 'running' })
  for (const hidden of ['sql', 'issues', 'cause', 'retryAfterMs', 'stack'])
    expect(body).not.toHaveProperty(hidden)
})

test('a 503 always says when to come again', async () => {
  const { response } = await ours('OVERLOADED')
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('1')
})

test('an error of another copy of the package is recognized by its code', async () => {
  const foreign = Object.assign(new Error('There is no execution "x".'), {
    code: 'EXECUTION_NOT_FOUND',
    details: { executionId: 'x' },
  })
  const { response, body } = await answerTo(foreign)
  expect(response.status).toBe(404)
  expect(body).toMatchObject({
    code: 'EXECUTION_NOT_FOUND',
    executionId: 'x',
    detail: 'There is no execution "x".',
  })
})
