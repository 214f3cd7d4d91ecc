// Starts: rows through a lane of their own, and what the policy makes of those whose id is taken.

import type { TransactionSql } from 'postgres'
import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import { isClosed, type IdPolicy } from '../core/execution.js'
import { Lane } from '../core/lane.js'
import { Meters } from '../metrics/meters.js'
import type { ExecutionRow, StartOutcome, StartRow } from '../store/store.js'
import { checkOneOf } from './arguments.js'
import type { StartRequest } from './client.js'
import { asRun, toStartRow, type StartContext } from './start-row.js'

export interface Started {
  readonly executionId: string
  readonly created: boolean
}

const BATCH_MAX = 500
const POLICIES = ['return-existing', 'reject', 'allow-after-close', 'replace'] as const satisfies IdPolicy[]
/** Closes the open run that a start with policy `replace` takes the id of. */
const REPLACED: NewEvent = { type: 'terminated', payload: '"replaced by a new start of its id"' }

type Context = Omit<StartContext, 'registeredVersion'>

export class Starter {
  private readonly context: StartContext
  private readonly lane: Lane<StartRow, StartOutcome>
  private registered = new Map<string, string>()

  constructor(context: Context) {
    this.context = { ...context, registeredVersion: (name) => this.registeredVersion(name) }
    const { laneQueueMax, laneBytesMax } = context.limits
    const { meters = new Meters() } = context
    this.lane = new Lane({
      name: 'start',
      batchMax: BATCH_MAX,
      queueMax: laneQueueMax,
      bytesMax: laneBytesMax,
      sizeOf: (row) => row.event.payload?.length ?? 0,
      write: meters.lanes.start.around(context.clock, (batch: readonly StartRow[]) => this.write(batch)),
    })
  }

  async start(
    request: StartRequest,
    options: { readonly idPolicy?: IdPolicy; readonly transaction?: TransactionSql },
  ): Promise<Started> {
    const { idPolicy = 'return-existing', transaction } = options
    checkOneOf(idPolicy, POLICIES, 'idPolicy')
    const made = toStartRow(request, this.context)
    const row = made instanceof Promise ? await made : made
    const outcome = await (transaction === undefined ? this.lane.submit(row) : this.insert(row, transaction))
    if (outcome.kind === 'created') return { executionId: row.key.executionId, created: true }
    return this.judge(row, outcome, { idPolicy, transaction })
  }

  /** All rows are made, and so checked, before the first is written. */
  async startMany(requests: readonly StartRequest[]): Promise<Started[]> {
    const { startManyMax } = this.context.limits
    if (!Array.isArray(requests)) {
      throw new CerebelumError(
        'INVALID_ARGUMENT',
        `startMany takes a list of requests, not ${typeof requests}.`,
      )
    }
    if (requests.length > startManyMax) {
      throw new CerebelumError(
        'TOO_MANY',
        `startMany got ${requests.length} requests, over the limit startManyMax of ${startManyMax}. Split the call.`,
        { limit: 'startManyMax' },
      )
    }
    const rows: StartRow[] = []
    for (const [index, request] of requests.entries()) {
      if (typeof request !== 'object' || request === null) {
        throw new CerebelumError(
          'INVALID_ARGUMENT',
          `Request ${index} of startMany is ${String(request)}; it must be an object such as { workflow, input }.`,
        )
      }
      rows.push(await toStartRow(request, this.context))
    }
    return Promise.all(
      rows.map(async (row) => this.judge(row, await this.lane.submit(row), { idPolicy: 'return-existing' })),
    )
  }

  /** The row of a start, checked, for whoever writes it later. */
  async prepare(request: StartRequest): Promise<StartRow> {
    return toStartRow(request, this.context)
  }

  idle(): Promise<void> {
    return this.lane.idle()
  }

  // ---- inside

  private async insert(row: StartRow, transaction: TransactionSql | undefined): Promise<StartOutcome> {
    if (transaction === undefined) return this.lane.submit(row)
    const [outcome] = await this.context.store.insertExecutionsWithin(transaction, [row])
    if (outcome === undefined) throw new CerebelumError('INTERNAL', 'A start got no outcome.')
    return outcome
  }

  private async write(batch: readonly StartRow[]): Promise<StartOutcome[]> {
    const { store, host } = this.context
    const rows = batch.map((row) =>
      row.startAt === undefined ? { ...row, claimedBy: host?.claimant(row.workflow) ?? null } : row,
    )
    let outcomes: StartOutcome[]
    try {
      outcomes = await store.insertExecutions(rows)
    } catch (error) {
      for (const row of rows) host?.startFailed(row)
      throw error
    }
    for (const [index, row] of rows.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) throw new CerebelumError('INTERNAL', 'A start got no outcome.')
      host?.started(row, outcome)
    }
    return outcomes
  }

  private async judge(
    row: StartRow,
    outcome: StartOutcome,
    options: { readonly idPolicy: IdPolicy; readonly transaction?: TransactionSql | undefined },
  ): Promise<Started> {
    const { executionId } = row.key
    if (outcome.kind === 'created') return { executionId, created: true }
    const { row: existing } = outcome
    switch (options.idPolicy) {
      case 'return-existing':
        return { executionId, created: false }
      case 'reject':
        throw new CerebelumError(
          'EXECUTION_EXISTS',
          `Execution "${executionId}" exists already (${existing.status}). Choose another id, or another idPolicy.`,
          { executionId, status: existing.status },
        )
      case 'allow-after-close':
        if (!isClosed(existing.status)) return { executionId, created: false }
        return this.restart(row, existing, options)
      case 'replace':
        return this.restart(row, existing, options)
    }
  }

  private async restart(
    row: StartRow,
    existing: ExecutionRow,
    options: { readonly idPolicy: IdPolicy; readonly transaction?: TransactionSql | undefined },
  ): Promise<Started> {
    const { store, host } = this.context
    const { transaction } = options
    const { executionId } = row.key
    const again = {
      ...asRun(row, existing.run + 1),
      expectedRun: existing.run,
      ...(isClosed(existing.status) ? {} : { close: REPLACED }),
    }
    const outcome =
      transaction === undefined ? await store.restart(again) : await store.restartWithin(transaction, again)
    if (outcome.kind === 'created') {
      if (transaction === undefined) {
        if (!isClosed(existing.status)) host?.terminated(executionId, existing.workflow)
        host?.restarted(row)
        host?.ended(executionId)
      }
      host?.poke([row.key])
      return { executionId, created: true }
    }
    // Somebody else was faster: judge again by what is there now.
    const next = outcome.kind === 'conflict' ? await this.insert(row, transaction) : outcome
    if (next.kind === 'exists' && next.row.run === existing.run) {
      throw new CerebelumError(
        'CONFLICT',
        `Execution "${executionId}" changed while it was being started. Try again.`,
        { executionId, retryAfterMs: 100 },
      )
    }
    const idPolicy = options.idPolicy === 'replace' ? 'return-existing' : options.idPolicy
    return this.judge(row, next, { ...options, idPolicy })
  }

  private async registeredVersion(name: string): Promise<string | undefined> {
    if (!this.registered.has(name)) {
      const definitions = await this.context.store.readDefinitions()
      // The highest version of each wins, "10" over "9".
      definitions.sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }))
      this.registered = new Map(definitions.map(({ workflow, version }) => [workflow, version]))
    }
    return this.registered.get(name)
  }
}
