// `createTestEngine`: what users get for their own tests, on a real database.

import { describe, expect, it } from 'vitest'
import { dropSchema } from '../../src/store/drop-schema.js'
import { createTestEngine } from '../../src/testing.js'
import { workflow } from '../../src/workflow/define.js'
import { connect } from '../support/connect.js'
import { databaseUrl } from '../support/database.js'

const greet = workflow({ name: 'greet' }, async (ctx, name: string) =>
  ctx.step('compose', () => `Hello ${name}`),
)

async function schemaExists(schema: string): Promise<boolean> {
  const sql = connect(databaseUrl(), { max: 1 })
  const rows = await sql`select 1 from information_schema.schemata where schema_name = ${schema}::text`
  await sql.end({ timeout: 5 })
  return rows.length > 0
}

describe('a test engine', () => {
  it('runs workflows in a schema of its own, which is gone when it has stopped', async () => {
    const engine = await createTestEngine({
      database: databaseUrl(),
      workflows: [greet],
      limits: { nameCharactersMax: 50 },
    })
    expect(engine.isReady).toBe(true)
    expect(await schemaExists(engine.schema)).toBe(true)
    const handle = await engine.client.start(greet, 'Ada', { id: 'same-id' })
    expect(await handle.result({ timeout: '20s' })).toBe('Hello Ada')
    await Promise.all([engine.stop(), engine.stop()])
    expect(await schemaExists(engine.schema)).toBe(false)
  })

  it('does not see another one', async () => {
    const [one, two] = await Promise.all(
      [1, 2].map(() => createTestEngine({ database: databaseUrl(), workflows: [greet] })),
    )
    await one?.client.start(greet, 'Ada', { id: 'same-id' })
    await expect(two?.client.get('same-id')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
    await one?.stop()
    await two?.stop()
  })

  it('leaves nothing behind when it cannot be made', async () => {
    const count = async (): Promise<number> => {
      const sql = connect(databaseUrl(), { max: 1 })
      const rows = await sql`
        select 1 from information_schema.schemata where schema_name like 'cerebelum_test_%'`
      await sql.end({ timeout: 5 })
      return rows.length
    }
    const before = await count()
    const options = { database: databaseUrl(), workflows: [greet], lanes: 0 }
    await expect(createTestEngine(options)).rejects.toMatchObject({ code: 'SETTINGS' })
    expect(await count()).toBe(before)
  })

  it('drops no schema but those made for tests', async () => {
    const drop = dropSchema({ url: databaseUrl(), schema: 'cerebelum' })
    await expect(drop).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
