// The path on which nodes leave each other hints: what it takes, and that rubbish goes nowhere.

import { expect, it } from 'vitest'
import { createHttpApp } from '../../src/http/app.js'
import type { Hint } from '../../src/http/hints.js'
import { unreachableClient } from './unreachable-client.js'

const options = { client: unreachableClient(), readiness: () => Promise.resolve({ ready: true }) }

function post(app: ReturnType<typeof createHttpApp>, body: string): Promise<Response> | Response {
  const headers = { 'content-type': 'application/json' }
  return app.request('/internal/hints', { method: 'POST', headers, body })
}

it('passes a hint on, and says no more', async () => {
  const heard: Hint[] = []
  const app = createHttpApp({ ...options, onHint: (hint) => heard.push(hint) })
  const answer = await post(app, '{"partitions":[3,7],"free":false}')
  expect([answer.status, await answer.text()]).toEqual([204, ''])
  expect(heard).toEqual([{ partitions: [3, 7], free: false }])
})

it.each([
  '',
  '{}',
  'null',
  '{"partitions":"all","free":false}',
  '{"partitions":[-1],"free":false}',
  '{"partitions":[1.5],"free":false}',
  '{"partitions":[40000],"free":false}',
  `{"partitions":[${'1,'.repeat(1_000)}1],"free":false}`,
  '{"partitions":[1],"free":"yes"}',
])('refuses rubbish: %.40s', async (body) => {
  const heard: Hint[] = []
  const app = createHttpApp({ ...options, onHint: (hint) => heard.push(hint) })
  const answer = await post(app, body)
  expect(answer.status).toBe(400)
  expect(heard).toEqual([])
})

it('is not there where nobody listens', async () => {
  expect((await post(createHttpApp(options), '{"partitions":[1],"free":false}')).status).toBe(404)
})
