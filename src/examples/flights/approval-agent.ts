// The approval agent: a loop that finds claims waiting for approval and signals its decision. It holds no state that
// matters: killed and started again it sends the same signals with the same ids, which the engine recognizes.
// A failed round is logged and the next one tries again; what it never decides, times out.

import { errorCode } from '../../core/errors.js'
import { delay, systemClock, type Logger } from '../../core/ports.js'
import type { Client } from '../../index.js'
import { agentDecision, type Approval } from './decision.js'
import { executionIdOf, runName, type Flight } from './flight.js'
import { FLIGHT_COMPENSATION } from './workflow.js'

export interface ApprovalAgentOptions {
  readonly client: Client
  readonly flights: readonly Flight[]
  readonly run: string | undefined
  readonly log: Logger
}

export interface ApprovalAgent {
  /** Signals sent by this process. */
  readonly sent: number
  /** Idempotent; resolves when the round that runs has ended. */
  stop(): Promise<void>
}

const ROUND_MS = 200
const PAGE_SIZE = 500
/** More waits for the next round. */
const PAGES_PER_ROUND_MAX = 20
const SIGNALS_AT_ONCE = 64

export function startApprovalAgent(options: ApprovalAgentOptions): ApprovalAgent {
  const loop = new AgentLoop(options)
  const done = loop.run()
  return {
    get sent() {
      return loop.sent
    },
    stop() {
      loop.stopping.abort()
      return done
    },
  }
}

class AgentLoop {
  readonly stopping = new AbortController()
  sent = 0
  private readonly options: ApprovalAgentOptions
  private readonly flightsById: ReadonlyMap<string, Flight>
  /** Seen already; at most one entry per flight. */
  private readonly handled = new Set<string>()

  constructor(options: ApprovalAgentOptions) {
    this.options = options
    this.flightsById = new Map(options.flights.map((flight) => [executionIdOf(flight, options.run), flight]))
  }

  async run(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      try {
        await this.round(signal)
        await delay(systemClock, ROUND_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        this.options.log.warn({ err: error }, 'the approval agent could not finish a round; it tries again')
        await delay(systemClock, ROUND_MS * 5, signal).catch(() => undefined)
      }
    }
  }

  private async round(signal: AbortSignal): Promise<void> {
    let cursor: string | undefined
    for (let page = 0; page < PAGES_PER_ROUND_MAX && !signal.aborted; page++) {
      const waiting = await this.options.client.list({
        workflow: FLIGHT_COMPENSATION,
        status: ['waiting', 'running'],
        attributes: { run: runName(this.options.run), awaiting: 'approval' },
        limit: PAGE_SIZE,
        ...(cursor === undefined ? {} : { cursor }),
      })
      const fresh = waiting.executions.filter(({ executionId }) => !this.handled.has(executionId))
      for (let from = 0; from < fresh.length && !signal.aborted; from += SIGNALS_AT_ONCE) {
        const some = fresh.slice(from, from + SIGNALS_AT_ONCE)
        await Promise.all(some.map(({ executionId }) => this.decide(executionId)))
      }
      cursor = waiting.cursor
      if (cursor === undefined) return
    }
  }

  private async decide(executionId: string): Promise<void> {
    const flight = this.flightsById.get(executionId)
    const decision = flight === undefined ? 'ignore' : agentDecision(flight)
    if (decision !== 'ignore') await this.send(executionId, { approved: decision === 'approve', by: 'agent' })
    this.handled.add(executionId)
  }

  private async send(executionId: string, approval: Approval): Promise<void> {
    try {
      await this.options.client.signal(executionId, 'approval', approval, {
        signalId: `approval-${executionId}`,
      })
      this.sent += 1
    } catch (error) {
      // It timed out and was decided by the rule while this page was read.
      if (errorCode(error) !== 'EXECUTION_CLOSED') throw error
    }
  }
}
