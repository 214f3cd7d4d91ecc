// User values to text and back. What is plain JSON is stored as plain JSON, so that SQL can read it; all else
// (Date, Map, Set, BigInt, typed arrays, undefined inside, errors with causes, cycles) goes through devalue and is
// stored as {"$devalue": […]}, still JSON. `undefined` itself is no text at all (SQL null).

import { parse, stringify } from 'devalue'
import { CerebelumError } from './errors.js'
import { fromFailure, toFailure } from './failure.js'

const MARK = '{"$devalue":'

/**
 * Encodes a value.
 * @param what names the value in errors, e.g. "input of workflow fulfil"
 * @param bytesMax bound of the encoded text, in bytes of UTF-8
 * @throws CerebelumError UNSERIALIZABLE | PAYLOAD_TOO_LARGE
 */
export function encode(value: unknown, what: string, bytesMax: number): string | undefined {
  if (value === undefined) return undefined
  const text = toText(value, what, bytesMax)
  // Length in UTF-16 units bounds the bytes from below; counting bytes costs a pass, so only near the bound.
  if (text.length * 3 > bytesMax) {
    const bytes = Buffer.byteLength(text)
    if (bytes > bytesMax) {
      throw new CerebelumError(
        'PAYLOAD_TOO_LARGE',
        `The ${what} has ${bytes} bytes, over the limit payloadBytesMax of ${bytesMax}. ` +
          'Store large data elsewhere and pass a reference to it, or raise the limit.',
        { limit: 'payloadBytesMax', bytes, bytesMax },
      )
    }
  }
  return text
}

/** Decodes what `encode` made; null and undefined are `undefined`. @throws CerebelumError UNREADABLE_VALUE */
export function decode(text: string | null | undefined): unknown {
  if (text === null || text === undefined) return undefined
  try {
    return text.startsWith(MARK) ? parse(text.slice(MARK.length, -1), revivers) : JSON.parse(text)
  } catch (cause) {
    throw new CerebelumError(
      'UNREADABLE_VALUE',
      `A stored value cannot be decoded (${text.slice(0, 60)}…). Was it written by hand or by a newer release?`,
      { cause },
    )
  }
}

/** The same where there has to be a text: an answer, even if it is `undefined`. */
export function encodeAnswer(value: unknown, what: string, bytesMax: number): string {
  return encode(value, what, bytesMax) ?? UNDEFINED
}

/** `undefined` as devalue writes it. */
const UNDEFINED = `${MARK}-1}`

function toText(value: unknown, what: string, bytesMax: number): string {
  try {
    if (isPlain(value, { nodesLeft: bytesMax, depth: 0 })) return JSON.stringify(value)
    return `${MARK}${stringify(value, reducers)}}`
  } catch (cause) {
    const path =
      cause instanceof Error && 'path' in cause && cause.path !== '' ? ` at ${String(cause.path)}` : ''
    throw new CerebelumError(
      'UNSERIALIZABLE',
      `The ${what} holds a value${path} that cannot be stored (${cause instanceof Error ? cause.message : String(cause)}). ` +
        'Pass plain data: functions, symbols, class instances and promises do not survive a restart.',
      { cause },
    )
  }
}

const DEPTH_MAX = 64

interface Walk {
  /** Every node is at least a byte of text: with more of them than bytes allowed it is too large, or one that shares
   *  parts or holds cycles, which a walk as a tree would never end. */
  nodesLeft: number
  depth: number
}

/** Whether JSON.parse(JSON.stringify(value)) is the same value. */
function isPlain(value: unknown, walk: Walk): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  walk.nodesLeft--
  if (walk.nodesLeft < 0 || walk.depth > DEPTH_MAX) return false
  walk.depth++
  const plain = Array.isArray(value) ? isPlainArray(value, walk) : isPlainObject(value, walk)
  walk.depth--
  return plain
}

function isPlainArray(value: readonly unknown[], walk: Walk): boolean {
  for (let index = 0; index < value.length; index++) {
    if (!isPlain(value[index], walk)) return false
  }
  return Object.keys(value).length === value.length
}

function isPlainObject(value: object, walk: Walk): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  if (Object.getOwnPropertySymbols(value).length > 0) return false
  for (const [key, entry] of Object.entries(value)) {
    if (key === '$devalue' || key === '__proto__' || !isPlain(entry, walk)) return false
  }
  return true
}

const VIEWS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const

// A view is stored by its own bytes: devalue's way would store the whole buffer under it, and Node's small Buffers
// share one with strangers' data.
const reducers = {
  Bytes(value: unknown): false | [string, string] {
    if (!ArrayBuffer.isView(value) || value instanceof DataView) return false
    const name = Object.prototype.toString.call(value).slice(8, -1)
    return [name, Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')]
  },
  Failure(value: unknown): unknown {
    return value instanceof Error ? toFailure(value) : false
  },
}

const revivers = {
  Bytes(stored: unknown): unknown {
    if (!Array.isArray(stored)) throw new Error('malformed bytes')
    const [name, text] = stored
    const bytes = new Uint8Array(Buffer.from(String(text), 'base64'))
    const found = Object.entries(VIEWS).find(([candidate]) => candidate === name)
    if (found === undefined) throw new Error(`unknown typed array ${String(name)}`)
    return new found[1](bytes.buffer)
  },
  Failure: fromFailure,
}
