// What goes wrong in a round, and when: a pure function of the seed, so that a round that found something can be had
// again. Which statement or execution a fault meets is up to the machine; what is done to whom at which moment is not.

import { seededRandom } from '../../src/workflow/chance.js'

/** Each kind of fault with what it is. */
export const FAULTS = {
  kill: 'kill -9 of nodes',
  stall: 'SIGSTOP of a node, for longer than its lease or not, and SIGCONT',
  slow: 'the event loop of a node is blocked',
  clock: 'the clock of a node is set, back or ahead',
  rolling: 'all nodes are replaced one after the other, in good order',
  scale: 'nodes join, or leave in good order',
  'server-kill': 'kill -9 of every process of the database server',
  'server-restart': 'the database server is shut down and started again',
  'server-freeze': 'SIGSTOP of every process of the database server',
  connections: 'other clients take every connection that the server has',
  partition: 'one process reaches the database no more, then again',
  cut: 'connections are cut before, within and after statements, commits among them',
  mute: 'statements or their answers go astray, and the connection stays',
  delay: 'statements arrive late',
  timeout: 'the server ends statements for their time (57014)',
  disk: 'the server has no room to write (53100)',
  conflict: 'the server rolls statements back (40001)',
  locks: 'somebody locks all executions for longer than a statement may take',
} as const

export type FaultKind = keyof typeof FAULTS

export function isFaultKind(text: string): text is FaultKind {
  return Object.hasOwn(FAULTS, text)
}

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(FAULTS).filter(isFaultKind)

/** Those that need a server of our own. */
export const SERVER_FAULTS: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'server-kill',
  'server-restart',
  'server-freeze',
  'connections',
])

/** Places of nodes that may be taken. */
export const NODES_MAX = 8

export interface Action {
  readonly kind: FaultKind
  /** From the beginning of the round. */
  readonly atMs: number
  /** How long it goes on; 0 for what is done at once. */
  readonly forMs: number
  /** Places of nodes that it meets; for one that nobody holds at that moment, another one that somebody does. */
  readonly places: readonly number[]
  /** Clock: by how many milliseconds; scale: to how many nodes; on the wire: in how many of 1,000 statements. */
  readonly amount: number
}

export interface PlanOptions {
  readonly seed: number
  readonly seconds: number
  /** At most so many nodes live at a time. */
  readonly nodes: number
  readonly kinds: readonly FaultKind[]
}

export interface Plan extends PlanOptions {
  readonly actions: readonly Action[]
}

/**
 * Each kind once, and about one more fault every second and a half; server faults do not overlap. The nodes become as
 * many as may be and one only, whatever else chance wants.
 */
export function planRound(options: PlanOptions): Plan {
  const { seed, seconds, nodes, kinds } = options
  const random = seededRandom(`chaos plan ${seed}`, 1)
  const draw = (from: number, below: number): number => from + Math.floor(random() * (below - from))
  const spanMs = seconds * 1_000
  const wanted = kinds.flatMap((kind) => (kind === 'scale' ? [kind, kind] : [kind]))
  while (kinds.length > 0 && wanted.length < kinds.length + seconds / 1.5)
    wanted.push(kinds[draw(0, kinds.length)] ?? 'kill')
  const actions = wanted.map((kind): Action => {
    const atMs = draw(Math.min(500, spanMs / 10), spanMs * 0.95)
    return { kind, atMs, ...shapeOf(kind, { draw, nodes }) }
  })
  const [first, second] = actions.filter(({ kind }) => kind === 'scale')
  const all = actions.map((action) => {
    if (action !== first && action !== second) return action
    return { ...action, amount: action === first ? nodes : 1 }
  })
  return { ...options, actions: apart(all.sort((a, b) => a.atMs - b.atMs)) }
}

interface Drawing {
  readonly draw: (from: number, below: number) => number
  readonly nodes: number
}

function shapeOf(kind: FaultKind, { draw, nodes }: Drawing): Omit<Action, 'kind' | 'atMs'> {
  const places = (count: number): number[] => [
    ...new Set(Array.from({ length: count }, () => draw(0, nodes))),
  ]
  const shape = { forMs: 0, places: [], amount: 0 }
  switch (kind) {
    case 'kill':
      return { ...shape, places: places(draw(1, 3)) }
    case 'stall':
      return { ...shape, forMs: draw(300, 5_000), places: places(1) }
    case 'slow':
      return { ...shape, forMs: draw(100, 2_500), places: places(draw(1, 3)) }
    case 'clock': {
      const hours = [-24 * 400, -1, -0.01, 0.01, 1, 24 * 400][draw(0, 6)] ?? 0
      return { ...shape, places: places(draw(1, nodes + 1)), amount: hours * 3_600_000 }
    }
    case 'rolling':
      return shape
    case 'scale':
      return { ...shape, amount: draw(1, nodes + 1) }
    case 'server-kill':
    case 'server-restart':
      return { ...shape, forMs: draw(0, 1_500) }
    case 'server-freeze':
      return { ...shape, forMs: draw(300, 3_000) }
    case 'connections':
      return { ...shape, forMs: draw(500, 2_500) }
    case 'partition':
      return { ...shape, forMs: draw(300, 4_000), places: places(1) }
    case 'cut':
      return { ...shape, forMs: draw(500, 3_000), amount: draw(5, 60) }
    case 'mute':
      return { ...shape, forMs: draw(300, 1_500), amount: draw(1, 10) }
    case 'delay':
      return { ...shape, forMs: draw(500, 4_000), amount: draw(50, 500) }
    case 'timeout':
    case 'conflict':
      return { ...shape, forMs: draw(500, 3_000), amount: draw(20, 300) }
    case 'disk':
      return { ...shape, forMs: draw(500, 3_000), amount: draw(300, 1_001) }
    case 'locks':
      return { ...shape, forMs: draw(500, 4_000) }
  }
}

/** What is done to the server waits until it has got over the last. */
function apart(actions: readonly Action[]): Action[] {
  let freeAtMs = 0
  const moved = actions.map((action) => {
    if (!SERVER_FAULTS.has(action.kind)) return action
    const atMs = Math.max(action.atMs, freeAtMs)
    freeAtMs = atMs + action.forMs + SERVER_REST_MS
    return { ...action, atMs }
  })
  return moved.sort((a, b) => a.atMs - b.atMs)
}

const SERVER_REST_MS = 1_500

export function planText({ seed, actions }: Plan): string {
  const lines = actions.map(({ kind, atMs, forMs, places, amount }) => {
    const parts = [
      `  ${(atMs / 1_000).toFixed(2).padStart(6)} s  ${kind.padEnd(14)}`,
      forMs === 0 ? '' : `for ${forMs} ms`,
      places.length === 0 ? '' : `at ${places.join(', ')}`,
      amount === 0 ? '' : AMOUNTS[kind]?.replace('#', String(amount)),
    ]
    return parts
      .filter((part) => part !== '')
      .join(' ')
      .trimEnd()
  })
  return [`plan of seed ${seed}`, ...lines].join('\n')
}

const AMOUNTS: Partial<Record<FaultKind, string>> = {
  clock: 'by # ms',
  scale: 'to # nodes',
  cut: 'in # of 1,000 statements',
  mute: 'in # of 1,000 statements',
  delay: 'in # of 1,000 statements',
  timeout: 'in # of 1,000 statements',
  conflict: 'in # of 1,000 statements',
  disk: 'in # of 1,000 writes',
}
