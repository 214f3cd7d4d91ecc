// `Store.admit`: one look at some gates, as one transaction. The locks come first and in a statement of their own, so
// that everything after them sees what whoever held them before has done. Gates that somebody else is at are told, not
// waited for: that look may have begun too early for what we know.

import type { ExecutionKey } from '../core/execution.js'
import { nextLookMs, roomOf, tokensOf } from '../core/gate.js'
import {
  deleteGates,
  deleteTurns,
  freeEnded,
  freePlaces,
  type GateChange,
  lockDueGates,
  lockGates,
  passGates,
  readGateIds,
  readGates,
  readLines,
  type LockedGate,
  type Turn,
  updateGates,
} from './gates.js'
import { withRetry } from './retry.js'
import { inTransaction, type SingleContext } from './single.js'
import type { Admission, AdmissionRequest } from './store.js'
import type { Database } from './tables.js'

/** Of those asked for, and of those that are due. */
const GATES_MAX = 100
const PASSED_MAX = 200
/** Looked at beyond those for whom there is room: some have ended, and are cleared away. */
const SPARE = 20

export async function admit(context: SingleContext, request: AdmissionRequest): Promise<Admission> {
  // Also of tries whose answer was lost: a doorbell that turns out not to ring, or a look for nothing, harms nobody.
  const passed = new Map<string, ExecutionKey>()
  const again = new Set<string>()
  const last = await withRetry(context.policy, 'admit', () =>
    inTransaction(context, async (database) => {
      const look = await lookOnce(database, request)
      for (const key of look.passed) passed.set(key.executionId, key)
      for (const gateId of look.again) again.add(gateId)
      return look
    }),
  )
  return { ...last, passed: [...passed.values()], again: [...again] }
}

async function lookOnce(database: Database, { gates, ended, isDue }: AdmissionRequest): Promise<Admission> {
  const wanted = [...new Set([...gates, ...(await freeEnded(database, ended))])]
  const now = wanted.slice(0, GATES_MAX)
  const locked = new Set(await lockGates(database, now))
  const due = new Set(isDue ? await lockDueGates(database, GATES_MAX) : [])
  const isMore = due.size === GATES_MAX
  const missed = now.filter((gateId) => !locked.has(gateId))
  const left = [...(await readGateIds(database, missed)), ...wanted.slice(GATES_MAX)]
  const gateIds = [...new Set([...locked, ...due])]
  if (gateIds.length === 0) return { passed: [], again: left, isMore: false, nextInMs: null }
  const look = await lookAt(database, gateIds, due)
  return { ...look, again: [...look.again, ...left], isMore }
}

/** All who are inside are gone through at gates that are due: those who ended where nobody told of it are found then. */
async function lookAt(
  database: Database,
  gateIds: readonly string[],
  due: ReadonlySet<string>,
): Promise<Omit<Admission, 'isMore'>> {
  // Together on their way, one after the other in the database.
  const [, gates] = await Promise.all([freePlaces(database, [...due]), readGates(database, gateIds)])
  const open = gates
    .filter(({ waits }) => waits)
    .map(({ gateId, at, ...gate }) => ({ gateId, at, room: roomOf(gate, PASSED_MAX) }))
    .filter(({ room }) => room > 0)
  const most = Math.max(0, ...open.map(({ room }) => room))
  const turns = open.length === 0 ? [] : await passGates(database, open, most + SPARE)
  const unlimited = new Set(gates.filter(({ runningMax }) => runningMax === null).map(({ gateId }) => gateId))
  // Behind a rate alone nobody holds a place.
  const over = turns.filter(
    ({ fate, gateId }) => fate === 'gone' || (fate === 'passed' && unlimited.has(gateId)),
  )
  const [, lines] = await Promise.all([deleteTurns(database, over), readLines(database, gateIds)])
  const passed = turns.filter(({ fate }) => fate === 'passed')
  const nextInMs = await close(database, gates, { passed, lines, due })
  return {
    nextInMs,
    passed: passed.flatMap(({ key, nextGateId }) => (nextGateId === null ? [key] : [])),
    again: [
      ...new Set([...passed.flatMap(({ nextGateId }) => nextGateId ?? []), ...unfinished(open, turns)]),
    ],
  }
}

/** Gates where those who had ended stood in the way of those for whom there is room, or that let pass all they could. */
function unfinished(
  open: readonly { readonly gateId: string; readonly room: number }[],
  turns: readonly Turn[],
): string[] {
  return open.flatMap(({ gateId, room }) => {
    const here = turns.filter((turn) => turn.gateId === gateId)
    const passed = here.filter(({ fate }) => fate === 'passed').length
    const isCleared = passed < room && here.some(({ fate }) => fate === 'gone')
    return isCleared || passed === PASSED_MAX ? [gateId] : []
  })
}

async function close(
  database: Database,
  gates: readonly LockedGate[],
  after: {
    readonly passed: readonly Turn[]
    readonly lines: Awaited<ReturnType<typeof readLines>>
    readonly due: ReadonlySet<string>
  },
): Promise<number | null> {
  const kept: GateChange[] = []
  const served: string[] = []
  for (const gate of gates) {
    const passed = after.passed.filter(({ gateId }) => gateId === gate.gateId).length
    const line = after.lines.get(gate.gateId) ?? { waits: true, isEmpty: false }
    const lookInMs = nextLookMs(gate, { passed, ...line })
    const tokens = gate.bucket === null ? null : tokensOf(gate) - passed
    if (lookInMs === null) served.push(gate.gateId)
    else kept.push({ gateId: gate.gateId, at: gate.at, tokens, lookInMs, wasDue: after.due.has(gate.gateId) })
  }
  await Promise.all([updateGates(database, kept), deleteGates(database, served)])
  return kept.length === 0 ? null : Math.min(...kept.map(({ lookInMs }) => lookInMs))
}
