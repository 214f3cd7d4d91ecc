// An engine for a test: in a schema of its own that is made for it and dropped with it, so that tests neither see each
// other nor leave anything behind.

import { randomHex } from '../core/ports.js'
import { createEngine, type Engine, type EngineOptions } from '../engine/create-engine.js'
import { dropSchema } from '../store/drop-schema.js'
import { migrate } from '../store/migrate.js'

export interface TestEngineOptions extends Omit<EngineOptions, 'database'> {
  /** A URL of any PostgreSQL or CockroachDB in which schemas may be made. */
  readonly database: string
}

export interface TestEngine extends Engine {
  /** The schema that was made for it. */
  readonly schema: string
  /** Drains, leaves, and drops the schema with all that is in it; idempotent. */
  stop(): Promise<void>
}

/**
 * Makes a schema, migrates it, and starts an engine in it. Takes all options of `createEngine`.
 * @throws CerebelumError DATABASE_UNAVAILABLE | SETTINGS
 *
 * @example
 * const engine = await createTestEngine({ database: process.env.DATABASE_URL, workflows: [fulfil] })
 * const handle = await engine.client.start(fulfil, order)
 * await engine.client.signal(handle.executionId, 'approved', { by: 'ada' })
 * expect(await handle.result()).toEqual({ label: 'L-7' })
 * await engine.stop()
 */
export async function createTestEngine(options: TestEngineOptions): Promise<TestEngine> {
  const place = { url: options.database, schema: `cerebelum_test_${randomHex(6)}` }
  let engine: Engine | undefined
  try {
    await migrate(place)
    engine = await createEngine({ ...options, database: place })
    await engine.start()
    return new DroppingEngine(engine, place)
  } catch (error) {
    await engine?.stop()
    await dropSchema(place).catch(() => undefined)
    throw error
  }
}

class DroppingEngine implements TestEngine {
  private readonly engine: Engine
  private readonly place: { readonly url: string; readonly schema: string }
  private stopping: Promise<void> | undefined

  constructor(engine: Engine, place: { readonly url: string; readonly schema: string }) {
    this.engine = engine
    this.place = place
  }

  get client(): Engine['client'] {
    return this.engine.client
  }
  get nodeId(): string {
    return this.engine.nodeId
  }
  get running(): number {
    return this.engine.running
  }
  get isReady(): boolean {
    return this.engine.isReady
  }
  get schema(): string {
    return this.place.schema
  }

  start(): Promise<void> {
    return this.engine.start()
  }

  stats(): ReturnType<Engine['stats']> {
    return this.engine.stats()
  }

  hinted(hint: Parameters<Engine['hinted']>[0]): void {
    this.engine.hinted(hint)
  }

  metrics(): Promise<string> {
    return this.engine.metrics()
  }

  stop(): Promise<void> {
    this.stopping ??= this.engine.stop().finally(() => dropSchema(this.place))
    return this.stopping
  }
}
