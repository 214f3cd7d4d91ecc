// A short run of the work that is planned for, on the database that it is planned for, in a schema of its own that is
// dropped afterwards: what one node does there, and what each workflow costs and stores.

import { cpus, totalmem } from 'node:os'
import { randomHex, systemClock } from '../core/ports.js'
import { createEngine, type Engine } from '../engine/create-engine.js'
import { dropSchema } from '../store/drop-schema.js'
import { migrate } from '../store/migrate.js'
import { readSchemaBytes } from '../store/schema-bytes.js'
import { workflow } from '../workflow/define.js'
import { CALIBRATION, type Result } from './bench-results.js'

export interface CalibrationOptions {
  readonly url: string
  /** For people; no secrets. */
  readonly server: string
  readonly steps: number
  readonly payloadBytes: number
  readonly seconds: number
  readonly onProgress: (text: string) => void
}

/** At the same time. */
const IN_FLIGHT = 500
/** Of the whole, before it counts: code is compiled and plans are made. */
const WARM_UP_SHARE = 0.2

export async function calibrate(options: CalibrationOptions): Promise<Result> {
  const { url, steps, payloadBytes, seconds, onProgress } = options
  const place = { url, schema: `cerebelum_calibration_${randomHex(8)}` }
  let engine: Engine | undefined
  try {
    await migrate(place)
    const value = 'x'.repeat(Math.max(0, payloadBytes - QUOTES))
    const work = workflow({ name: 'calibration' }, async (ctx, input: string) => {
      for (let n = 0; n < steps; n++) await ctx.step('step', () => input)
      return input
    })
    engine = await createEngine({ database: place, workflows: [work], retention: 'off' })
    await engine.start()
    const { client } = engine
    const run = (forSeconds: number): Promise<number> =>
      keepBusy(forSeconds, async () => (await client.start(work, value)).result())
    onProgress(`calibration: workflows of ${steps} steps and ${payloadBytes} bytes for ${seconds} s`)
    await run(seconds * WARM_UP_SHARE)
    const bytesBefore = await readSchemaBytes(place)
    const cpuBefore = process.cpuUsage()
    const begunMs = systemClock.monotonicMs()
    const done = await run(seconds * (1 - WARM_UP_SHARE))
    const ms = systemClock.monotonicMs() - begunMs
    const cpu = process.cpuUsage(cpuBefore)
    const bytesAfter = await readSchemaBytes(place)
    return {
      name: CALIBRATION,
      ours: (done * 1_000) / ms,
      cpu_ms_node: (cpu.user + cpu.system) / 1_000 / done,
      // Nobody here can ask the server for it.
      cpu_ms_database: null,
      db_bytes:
        bytesBefore === null || bytesAfter === null ? null : Math.max(1, (bytesAfter - bytesBefore) / done),
      wal_bytes: null,
      steps,
      payload_bytes: payloadBytes,
      machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
      server: options.server,
    }
  } finally {
    await engine?.stop()
    await dropSchema(place)
  }
}

const QUOTES = 2

/** How many were done. */
async function keepBusy(seconds: number, unit: () => Promise<unknown>): Promise<number> {
  const untilMs = systemClock.monotonicMs() + seconds * 1_000
  let done = 0
  const worker = async (): Promise<void> => {
    do {
      await unit()
      done++
    } while (systemClock.monotonicMs() < untilMs)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  return done
}
