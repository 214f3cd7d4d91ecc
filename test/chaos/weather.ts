// What happens on the wire between one process and the database: faults of planned kinds, each for a while and for a
// share of the statements. Chance is seeded, but which statements there are is up to the machine.

import { seededRandom } from '../../src/workflow/chance.js'
import { startProxy, type Fault, type Proxy } from '../support/proxy.js'
import type { Action, FaultKind } from './plan.js'

export interface Weather {
  /** The database, as the process sees it. */
  readonly url: string
  /** Statements that a fault met so far. */
  readonly faults: number
  begin(action: Action): void
  end(action: Action): void
  /** From now on connections are refused and those there are gone, or not any more. */
  isolate(isIsolated: boolean): void
  /** Cuts every connection; new ones are let through. */
  drop(): void
  /** Nothing is planned any more. */
  clear(): void
  close(): Promise<void>
}

export async function startWeather(options: {
  readonly databaseUrl: string
  readonly seed: number
  readonly place: number
}): Promise<Weather> {
  const proxy: Proxy = await startProxy(options.databaseUrl)
  const random = seededRandom(`chaos wire ${options.seed}`, options.place + 1)
  const actions = new Set<Action>()
  let faults = 0
  proxy.plan = (text) => {
    for (const action of actions) {
      if (action.kind === 'disk' && !isWrite(text)) continue
      if (random() * 1_000 >= action.amount) continue
      faults++
      return faultOf(action.kind, random)
    }
    return undefined
  }
  return {
    url: proxy.url,
    get faults() {
      return faults
    },
    begin: (action) => void actions.add(action),
    end: (action) => void actions.delete(action),
    isolate(isIsolated) {
      proxy.door = isIsolated ? 'shut' : 'open'
      if (isIsolated) proxy.cutAll()
    },
    drop: () => proxy.cutAll(),
    clear() {
      actions.clear()
      proxy.door = 'open'
    },
    close: () => proxy.close(),
  }
}

function isWrite(text: string): boolean {
  return /\b(insert|update|delete)\b/.test(text)
}

function faultOf(kind: FaultKind, random: () => number): Fault | undefined {
  const one = (...faults: readonly Fault[]): Fault | undefined => faults[Math.floor(random() * faults.length)]
  switch (kind) {
    case 'cut':
      return one(
        { kind: 'cut-before' },
        { kind: 'cut-within' },
        { kind: 'lose-answer' },
        { kind: 'cut-answer' },
      )
    case 'mute':
      return one({ kind: 'stall' }, { kind: 'keep-answer' })
    case 'delay':
      return { kind: 'delay', ms: 10 + Math.floor(random() * 400) }
    case 'timeout':
      return { kind: 'refuse', code: '57014' }
    case 'disk':
      return { kind: 'refuse', code: '53100' }
    case 'conflict':
      return { kind: 'refuse', code: '40001' }
    default:
      return undefined
  }
}
