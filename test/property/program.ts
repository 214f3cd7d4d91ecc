// Workflow programs as data, and how random ones are drawn. A program is small, deterministic in its result whatever
// the timing (no two branches race for real), and touches everything that a workflow may ask of its context.

import fc from 'fast-check'

export type Node =
  /** Fails `failures` times before it succeeds; waits in memory in between. */
  | { readonly kind: 'step'; readonly value: unknown; readonly failures: number; readonly undo: boolean }
  /** Fails once and waits so long that the wait is a timer. */
  | { readonly kind: 'late' }
  | { readonly kind: 'fatal' }
  | { readonly kind: 'unawaited'; readonly value: unknown }
  | { readonly kind: 'transaction' }
  | { readonly kind: 'sleep'; readonly ms: number }
  /** Sent when the execution is started, or by a step just before it is awaited; or never. */
  | { readonly kind: 'signal'; readonly sent: 'early' | 'self' | 'never'; readonly value: unknown }
  /** The next of a queue of signals of one name, all sent at the start. */
  | { readonly kind: 'take' }
  | { readonly kind: 'update'; readonly value: number }
  | { readonly kind: 'child'; readonly program: Program; readonly detach: boolean }
  | { readonly kind: 'draw'; readonly what: 'now' | 'random' | 'uuid' }
  | { readonly kind: 'attributes'; readonly value: number }
  | { readonly kind: 'patched' }
  | { readonly kind: 'all' | 'settled'; readonly branches: readonly Program[] }
  /** One branch that ends, beside waits that do not within the test. */
  | { readonly kind: 'race'; readonly winner: Node; readonly losers: readonly ('sleep' | 'signal')[] }
  /** One branch that succeeds, beside some that fail. */
  | { readonly kind: 'any'; readonly failing: number }

export interface Program {
  readonly nodes: readonly Node[]
  readonly end: 'return' | 'throw' | { readonly next: Program }
}

const value = fc.oneof(
  fc.integer(),
  fc.string({ maxLength: 8 }),
  fc.constantFrom<unknown>(undefined, null, true, -0, NaN, 12345678901234567890n),
  fc.date({ noInvalidDate: true }),
  fc.dictionary(fc.string({ maxLength: 3 }), fc.integer(), { maxKeys: 2 }),
  fc.array(fc.integer(), { maxLength: 2 }).map((items) => new Set(items)),
  fc
    .array(fc.tuple(fc.string({ maxLength: 3 }), fc.integer()), { maxLength: 2 })
    .map((pairs) => new Map(pairs)),
  fc.uint8Array({ maxLength: 4 }),
)

const plainStep = fc.record({
  kind: fc.constant('step' as const),
  value,
  failures: fc.constant(0),
  undo: fc.boolean(),
})
const step = fc.record({
  kind: fc.constant('step' as const),
  value,
  failures: fc.constantFrom(0, 0, 1, 2),
  undo: fc.boolean(),
})
const sleep = fc.record({ kind: fc.constant('sleep' as const), ms: fc.integer({ min: 0, max: 25 }) })
const transaction = fc.constant<Node>({ kind: 'transaction' })
const fatal = fc.constant<Node>({ kind: 'fatal' })
const signal = fc.record({
  kind: fc.constant('signal' as const),
  sent: fc.constantFrom('early' as const, 'self' as const, 'never' as const),
  value,
})

/** What may stand in a branch beside others: its outcome depends on nothing but itself. */
const leaf: fc.Arbitrary<Node> = fc.oneof(
  { weight: 4, arbitrary: step },
  { weight: 1, arbitrary: fatal },
  { weight: 2, arbitrary: sleep },
  { weight: 2, arbitrary: transaction },
  { weight: 2, arbitrary: signal },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('attributes' as const), value: fc.nat(9) }) },
)

/** What draws from the execution's chance, or shares something with others: only in the main line. */
const solitary: fc.Arbitrary<Node> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('update' as const), value: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('draw' as const),
      what: fc.constantFrom('now', 'random', 'uuid'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('patched' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unawaited' as const), value }) },
)

const branch: fc.Arbitrary<Program> = fc.record({
  nodes: fc.array(leaf, { minLength: 1, maxLength: 2 }),
  end: fc.constantFrom('return' as const, 'return' as const, 'throw' as const),
})

const child: fc.Arbitrary<Node> = fc.record({
  kind: fc.constant('child' as const),
  program: branch,
  detach: fc.boolean(),
})

const group: fc.Arbitrary<Node> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('all' as const, 'settled' as const),
    branches: fc.array(branch, { minLength: 2, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('race' as const),
    winner: fc.oneof(plainStep, transaction, sleep),
    losers: fc.array(fc.constantFrom('sleep' as const, 'signal' as const), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('any' as const), failing: fc.integer({ min: 1, max: 2 }) }),
)

const node = (late: boolean): fc.Arbitrary<Node> =>
  fc.oneof(
    { weight: 6, arbitrary: leaf },
    { weight: 4, arbitrary: solitary },
    { weight: 3, arbitrary: group },
    { weight: 2, arbitrary: child },
    ...(late ? [{ weight: 1, arbitrary: fc.constant<Node>({ kind: 'late' }) }] : []),
  )

/** `late`: with waits of over a second. */
export function programs(options: { readonly late: boolean }): fc.Arbitrary<Program> {
  const nodes = fc.array(node(options.late), { minLength: 1, maxLength: 4 })
  const last = fc.record({
    nodes: fc.array(node(options.late), { minLength: 1, maxLength: 2 }),
    end: fc.constantFrom('return' as const, 'throw' as const),
  })
  return fc.record({
    nodes,
    end: fc.oneof(
      { weight: 5, arbitrary: fc.constant('return' as const) },
      { weight: 3, arbitrary: fc.constant('throw' as const) },
      { weight: 2, arbitrary: fc.record({ next: last }) },
    ),
  })
}

/** Whether events of it may fall in another order from one time to the next. */
export function isConcurrent(program: Program): boolean {
  const { end } = program
  return (
    program.nodes.some((item) => CONCURRENT.has(item.kind) || (item.kind === 'child' && item.detach)) ||
    (typeof end === 'object' && isConcurrent(end.next))
  )
}

const CONCURRENT: ReadonlySet<Node['kind']> = new Set<Node['kind']>([
  'all',
  'settled',
  'any',
  'race',
  'unawaited',
])

/** How often it takes from its queue, over all its runs. */
export function countTakes(program: Program): number {
  const own = program.nodes.filter((item) => item.kind === 'take').length
  return own + (typeof program.end === 'object' ? countTakes(program.end.next) : 0)
}

export interface Located {
  readonly path: string
  readonly node: Node
}

/** Every node that the execution itself carries out, with its path; not those of its children. */
export function locate(program: Program, prefix: string): Located[] {
  const own = program.nodes.flatMap((item, index): Located[] => {
    const path = `${prefix}${index}`
    if (item.kind === 'all' || item.kind === 'settled')
      return item.branches.flatMap((part, position) => locate(part, `${path}.${position}.`))
    return [{ path, node: item }]
  })
  return typeof program.end === 'object' ? [...own, ...locate(program.end.next, `${prefix}next.`)] : own
}
