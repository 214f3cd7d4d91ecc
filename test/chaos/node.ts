// One node of the chaos run: works until it is killed, told to stop, or its parent is gone. Arguments: URL, schema, and the
// file of its ledger, in which it notes what its steps do: a file, because it must outlive the process and owe nothing
// to the database that is under fire. Lines on its standard input: `block MS`, `clock MS`, `stop`.

import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '../../src/core/errors.js'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { chaosWorkflows } from './workflows.js'

const [url = '', schema = '', ledger = ''] = process.argv.slice(2)

// All that reads this machine's time in this process goes by it.
const trueNow = Date.now.bind(Date)
let clockStepMs = 0
Date.now = () => trueNow() + clockStepMs

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** A database that is down just now is no reason to go. */
async function open(): Promise<Engine> {
  for (;;) {
    try {
      const engine = await createEngine({
        database: { url, schema, connections: 4, statementTimeoutMs: 2_000, retryForMs: 5_000 },
        workflows,
        drainMs: 3_000,
        log: { debug() {}, info() {}, warn: say, error: say },
      })
      await engine.start()
      return engine
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'DATABASE_UNAVAILABLE' && code !== 'OUTCOME_UNKNOWN') throw error
      await sleep(100)
    }
  }
}

function say(fields: object, message: string): void {
  console.error(`${message} ${'err' in fields ? String(fields.err) : ''}`)
}

let engine: Engine | undefined
const workflows = chaosWorkflows({
  schema,
  note: (executionId, name) =>
    appendFileSync(ledger, `${JSON.stringify([executionId, name, process.pid])}\n`),
  signal: async (...parameters) => engine?.client.signal(...parameters),
})
let isStopping = false
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [order, amount = '0'] = line.split(' ')
    if (order === 'block') block(Number(amount))
    if (order === 'clock') clockStepMs = Number(amount)
    if (order !== 'stop' || isStopping) return
    isStopping = true
    if (engine === undefined) process.exit(0)
    void engine.stop().then(() => process.exit(0))
  })
  .on('close', () => process.exit(1))
engine = await open()
console.log(`ready ${engine.nodeId}`)
