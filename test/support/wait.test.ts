import { expect, test } from 'vitest'
import { eventually } from './wait.js'

test('a condition that comes true later is waited for', async () => {
  let calls = 0
  await expect(eventually(() => (calls += 1) === 3, { everyMs: 1 })).resolves.toBe(true)
})

test('a condition that never comes true fails with what was seen last', async () => {
  const waiting = eventually(() => Promise.reject(new Error('seen this')), {
    deadlineMs: 30,
    what: 'the moon',
  })
  await expect(waiting).rejects.toThrow(/the moon did not come true within 30 ms; last seen: seen this/)
})
