// An engine on a schema of its own for a test file: started before its tests, stopped and dropped after them. What it
// logs as a warning or an error is kept, so that a test can say what must not happen.

import { afterAll, beforeAll } from 'vitest'
import type { Client } from '../../src/client/client.js'
import type { HistoryEvent } from '../../src/client/client.js'
import type { Logger } from '../../src/core/ports.js'
import { createEngine, type Engine, type EngineOptions } from '../../src/engine/create-engine.js'
import type { Workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from './database.js'

export interface TestEngine {
  readonly engine: Engine
  readonly client: Client
  readonly database: TestDatabase
  /** What was logged as a warning or an error so far, by any engine of this file. */
  readonly logged: readonly string[]
  /** One more engine on the same schema; stopped after the tests unless it has been before. */
  join(options?: Partial<EngineOptions>): Promise<Engine>
  /** The events of an execution. */
  events(executionId: string): Promise<readonly HistoryEvent[]>
  /** Their types. */
  types(executionId: string): Promise<string[]>
}

export function useEngine(
  workflows: readonly Workflow[],
  options: Partial<Omit<EngineOptions, 'workflows'>> = {},
): TestEngine {
  let database: TestDatabase | undefined
  let first: Engine | undefined
  const engines: Engine[] = []
  const logged: string[] = []
  const keep = (fields: object, message: string): void => {
    logged.push(`${message} ${'err' in fields ? String(fields.err) : ''}`)
  }
  const log: Logger = { debug() {}, info() {}, warn: keep, error: keep }

  beforeAll(async () => {
    database = await createTestDatabase()
    first = await using.join()
  })
  afterAll(async () => {
    await Promise.all(engines.map((engine) => engine.stop()))
    await database?.drop()
  })

  const using: TestEngine = {
    get engine() {
      return given(first)
    },
    get client() {
      return given(first).client
    },
    get database() {
      return given(database)
    },
    logged,
    async join(more = {}) {
      const { url, schema } = given(database)
      const engine = await createEngine({ database: { url, schema }, workflows, log, ...options, ...more })
      engines.push(engine)
      await engine.start()
      return engine
    },
    async events(executionId) {
      const events: HistoryEvent[] = []
      for (let after: number | undefined = 0; after !== undefined;) {
        const page = await given(first).client.history(executionId, { after })
        events.push(...page.events)
        after = page.next
      }
      return events
    },
    async types(executionId) {
      return (await using.events(executionId)).map((event) => event.type)
    },
  }
  return using
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('useEngine: only within tests')
  return value
}
