// What a program must see and do, worked out from the program alone: the interpreter's log without engine, database or
// faults. Whatever was killed meanwhile, an execution that nobody canceled ends with exactly this.

import { isDeepStrictEqual } from 'node:util'
import type { Node, Program } from '../property/program.js'

/** An error that the code saw; its text is not judged. */
const FAILED = Symbol('failed')

export interface Expected {
  readonly runs: number
  readonly ends: 'completed' | 'failed'
  readonly log: readonly unknown[]
  /** Names of its transactional steps, each of which takes effect once. */
  readonly transactions: readonly string[]
  /** Names of what must have been undone. */
  readonly undone: readonly string[]
}

export function expectedOf(program: Program, prefix = ''): Expected {
  const walk = new Walk()
  let current = program
  let at = prefix
  let runs = 1
  walk.sequence(current, at)
  while (typeof current.end === 'object') {
    current = current.end.next
    at = `${at}next.`
    runs++
    // What can be undone is known to its own run only.
    walk.undoable.length = 0
    walk.sequence(current, at)
  }
  const ends = current.end === 'throw' ? 'failed' : 'completed'
  const undone = ends === 'failed' ? walk.undoable.map((path) => `undo ${path}`) : []
  return { runs, ends, log: walk.log, transactions: walk.transactions, undone }
}

export function isAsExpected(actual: unknown, expected: unknown): boolean {
  return isDeepStrictEqual(withoutTexts(actual, expected), expected)
}

/** Where a failure is expected, any text of one will do. */
function withoutTexts(actual: unknown, expected: unknown): unknown {
  if (expected === FAILED) return typeof actual === 'string' ? FAILED : actual
  if (!Array.isArray(expected) || !Array.isArray(actual)) return actual
  return actual.map((item: unknown, index) => withoutTexts(item, expected[index]))
}

class Walk {
  readonly log: unknown[] = []
  readonly transactions: string[] = []
  readonly undoable: string[] = []
  private taken = 0

  sequence(program: Program, prefix: string, log: unknown[] = this.log): void {
    for (const [index, node] of program.nodes.entries()) {
      const path = `${prefix}${index}`
      const value = this.value(node, path)
      log.push(value === FAILED ? [path, 'failed', FAILED] : [path, value])
    }
  }

  private value(node: Node, path: string): unknown {
    switch (node.kind) {
      case 'step':
        if (node.undo) this.undoable.push(path)
        return node.value
      case 'late':
        return 'late'
      case 'fatal':
        return FAILED
      case 'unawaited':
        return 'not awaited'
      case 'transaction':
        this.transactions.push(path)
        return path
      case 'sleep':
      case 'attributes':
        return undefined
      case 'signal':
        return node.sent === 'never' ? undefined : node.value
      case 'take':
        return this.taken++
      case 'update':
        return node.value * 2
      case 'child':
        return childValue(node, path)
      case 'draw':
        return 'as recorded'
      case 'patched':
        return true
      case 'all':
      case 'settled':
        return this.branches(node, path)
      case 'race':
        return this.value(node.winner, path)
      case 'any':
        return 'any'
    }
  }

  private branches(node: Extract<Node, { kind: 'all' | 'settled' }>, path: string): unknown {
    const logs = node.branches.map((branch, index) => {
      const log: unknown[] = []
      this.sequence(branch, `${path}.${index}.`, log)
      return branch.end === 'throw' ? FAILED : log
    })
    return node.kind === 'all' && logs.includes(FAILED) ? FAILED : logs
  }
}

function childValue(node: Extract<Node, { kind: 'child' }>, path: string): unknown {
  if (node.detach) return 'detached'
  const { ends, log } = expectedOf(node.program, `${path}/`)
  return ends === 'failed' ? FAILED : log
}
