// User values as JSON for people and programs that are not JavaScript. Plain JSON is passed through; the rest is
// rendered so that nothing is lost silently, as in the table of `toJson`. It is a rendering, not the stored form.
// Must never run away: cycles, depth and size are bounded.

import { toFailure } from '../core/failure.js'

const DEPTH_MAX = 200
/** Values that share parts (a graph) can grow without bound when written as a tree. */
const NODES_MAX = 1_000_000

/**
 * | value                  | JSON                                                   |
 * |------------------------|--------------------------------------------------------|
 * | Date                   | ISO 8601 text; an invalid one: null                    |
 * | BigInt                 | decimal text                                           |
 * | NaN, Infinity          | the texts "NaN", "Infinity", "-Infinity"               |
 * | Map                    | object when all keys are texts, else [[key, value], …] |
 * | Set                    | array                                                  |
 * | bytes (Uint8Array)     | base64 text; other typed arrays: array of numbers      |
 * | Error                  | failure: {type, message, code?, cause?, …}             |
 * | URL, RegExp            | text                                                   |
 * | undefined              | left out of objects, else null                         |
 * | a cycle                | the text "[circular]"                                  |
 */
export function toJson(value: unknown): unknown {
  return new Renderer().render(value, 0)
}

class Renderer {
  private readonly path = new Set<object>()
  private nodes = 0

  render(value: unknown, depth: number): unknown {
    this.nodes += 1
    if (this.nodes > NODES_MAX) return '[truncated]'
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
    if (typeof value === 'bigint') return String(value)
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
    if (typeof value !== 'object') return null
    if (this.path.has(value)) return '[circular]'
    if (depth >= DEPTH_MAX) return '[too deep]'
    this.path.add(value)
    try {
      return this.renderObject(value, depth + 1)
    } finally {
      this.path.delete(value)
    }
  }

  private renderObject(value: object, depth: number): unknown {
    if (Array.isArray(value)) return this.list(value, depth)
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
    if (value instanceof Map) return this.map(value, depth)
    if (value instanceof Set) return this.list(value, depth)
    if (value instanceof Error) return this.render({ ...toFailure(value), stack: undefined }, depth)
    if (value instanceof URL || value instanceof RegExp) return String(value)
    if (value instanceof Uint8Array) {
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
    }
    if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64')
    if (isNumberArray(value)) return this.list(value, depth)
    return this.record(Object.entries(value), depth)
  }

  private list(values: Iterable<unknown>, depth: number): unknown[] {
    return Array.from(values, (entry) => this.render(entry, depth))
  }

  private map(map: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const entries: [string, unknown][] = []
    for (const [key, entry] of map) {
      if (typeof key !== 'string') return Array.from(map, (pair) => this.list(pair, depth))
      entries.push([key, entry])
    }
    return this.record(entries, depth)
  }

  private record(entries: readonly (readonly [string, unknown])[], depth: number): unknown {
    // fromEntries defines properties, so that a key "__proto__" is data like any other.
    return Object.fromEntries(
      entries
        .filter(([, entry]) => entry !== undefined)
        .map(([key, entry]) => [key, this.render(entry, depth)]),
    )
  }
}

function isNumberArray(value: object): value is Iterable<unknown> & object {
  return ArrayBuffer.isView(value) && Symbol.iterator in value
}
