// Whatever users hand over comes back as it was, or is refused with a typed error; the text is JSON without bytes that
// databases refuse, as large as it is counted; and whatever stands in a row instead is read or refused, never worse.

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decode, encode, encodeAnswer } from '../../src/core/codec.js'
import { toFailure } from '../../src/core/failure.js'

const ROOMY = 10_000_000

/** Any code units: lone surrogates, NUL and line separators too. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc
    .array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 4 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom('\u0000', '\u2028', '\ud800', '</script>', '$devalue', '{"$devalue":'),
)

const key = fc
  .oneof(
    fc.string({ maxLength: 5 }),
    fc.constantFrom(
      '$devalue',
      'constructor',
      'prototype',
      'toString',
      'toJSON',
      'hasOwnProperty',
      'then',
      '0',
      '-1',
      '',
    ),
  )
  .filter((name) => name !== '__proto__')

const bytes = fc.uint8Array({ maxLength: 32 }).map((all) => all.slice(0, all.length - (all.length % 8)))

/** Each kind of view, on a part of its buffer. */
const view = fc
  .tuple(
    bytes,
    fc.constantFrom(
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
    ),
  )
  .map(([part, View]) => {
    const buffer = new Uint8Array(part.length + 16).fill(7)
    buffer.set(part, 8)
    return new View(buffer.buffer, 8, part.length / View.BYTES_PER_ELEMENT)
  })

const leaf = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.constantFrom(-0, Number.NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER + 2),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  view,
)

/** With holes. */
function sparse(entries: readonly unknown[], holes: readonly number[]): unknown[] {
  const all: unknown[] = []
  all.length = entries.length
  for (const [index, entry] of entries.entries()) if (!holes.includes(index)) all[index] = entry
  return all
}

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('value').map((inner) => ({ $devalue: inner })),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), fc.array(fc.nat(8), { maxLength: 2 }))
      .map(([entries, holes]) => sparse(entries, holes)),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((entries) => new Set(entries)),
  ),
}))

/** What an execution may be left with by a step that failed. */
const error = fc.letrec<{ error: Error }>((tie) => ({
  error: fc
    .tuple(
      fc.constantFrom(Error, TypeError, RangeError, SyntaxError),
      text,
      fc.option(tie('error'), { nil: undefined, maxDepth: 5 }),
      fc.dictionary(
        key.filter((name) => !/^(?:name|message|stack|code|details|cause|errors|step|attempt)$/.test(name)),
        fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null)),
        { maxKeys: 3 },
      ),
    )
    .map(([Kind, message, cause, data]) =>
      Object.assign(new Kind(message, cause === undefined ? undefined : { cause }), data),
    ),
})).error

describe('what comes back', () => {
  test('is what was handed over', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(isDeepStrictEqual(decode(encode(original, 'value', ROOMY)), original)).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test('is the same from an answer, which always has a text', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(isDeepStrictEqual(decode(encodeAnswer(original, 'answer', ROOMY)), original)).toBe(true)
      }),
    )
  })

  test('tells of an error all that a failure keeps, through causes and through data around it', () => {
    fc.assert(
      fc.property(error, (original) => {
        const read = decode(encode({ at: [original] }, 'value', ROOMY))
        const [again]: unknown[] = Object(read).at
        expect(Object.getPrototypeOf(again)).toBe(Object.getPrototypeOf(original))
        expect(toFailure(again)).toStrictEqual(toFailure(original))
      }),
    )
  })

  test('shares what was shared, where it goes around in circles and where it is no plain JSON', () => {
    fc.assert(
      fc.property(value, (inner) => {
        const knot: unknown[] = [inner, new Date(0)]
        knot.push(knot, { knot })
        const read: unknown = decode(encode(knot, 'value', ROOMY))
        const [, , itself, around]: unknown[] = Array.isArray(read) ? read : []
        expect(itself).toBe(read)
        expect(Object(around).knot).toBe(read)
      }),
    )
  })

  test('as plain JSON has no shared parts, because it is meant to be read by SQL', () => {
    const part = { a: 1 }
    const encoded = encode([part, part], 'value', ROOMY)
    expect(encoded).toBe('[{"a":1},{"a":1}]')
  })
})

describe('the text', () => {
  test('is JSON that every database takes', () => {
    fc.assert(
      fc.property(value, (original) => {
        const encoded = encode(original, 'value', ROOMY)
        expect(encoded === undefined).toBe(original === undefined)
        if (encoded === undefined) return
        JSON.parse(encoded)
        expect(encoded.includes('\u0000')).toBe(false)
        expect(Buffer.from(encoded).toString()).toBe(encoded)
      }),
    )
  })

  test('is as large as it is counted: to the byte', () => {
    fc.assert(
      fc.property(value, (original) => {
        const size = Buffer.byteLength(encode(original, 'value', ROOMY) ?? '')
        if (size === 0) return
        expect(Buffer.byteLength(encode(original, 'value', size) ?? '')).toBe(size)
        expect(() => encode(original, 'value', size - 1)).toThrow(
          expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }),
        )
      }),
    )
  })
})

describe('what stands there instead', () => {
  const unharmed = (): void => {
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(Object.getPrototypeOf(Object.prototype)).toBeNull()
  }
  const readOrRefused = (stored: string): void => {
    try {
      decode(stored)
    } catch (refusal) {
      expect(refusal).toMatchObject({ code: 'UNREADABLE_VALUE' })
    }
    unharmed()
  }

  test('is read or refused: any text', () => {
    fc.assert(fc.property(fc.oneof(text, fc.json(), fc.string({ maxLength: 50 })), readOrRefused), {
      numRuns: 1_000,
    })
  })

  test('is read or refused: any numbers, names and nests in the place of values', () => {
    const slot = fc.oneof(
      fc.integer({ min: -8, max: 6 }),
      fc.constantFrom(4_294_967_295, 1e100, 0.5, null, true, '', '__proto__', 'constructor'),
      fc.constantFrom('Bytes', 'Failure', 'Map', 'Set', 'Date', 'BigInt', 'RegExp', 'Object', 'null'),
      fc.constantFrom('ArrayBuffer', 'Uint16Array', 'Float64Array', 'DataView', 'URL', 'AAECAw==', 'x'),
    )
    const record = fc.dictionary(
      fc.constantFrom('__proto__', 'constructor', 'type', 'message', 'cause', 'errors', 'details', 'code'),
      slot,
    )
    const stored = fc.array(fc.oneof(slot, fc.array(slot, { maxLength: 4 }), record), { maxLength: 6 })
    fc.assert(
      fc.property(stored, (values) => readOrRefused(`{"$devalue":${JSON.stringify(values)}}`)),
      { numRuns: 2_000 },
    )
  })

  test('is read or refused: what was stored, with some of it changed', () => {
    const change = fc.tuple(
      fc.nat(),
      fc.constantFrom('', '0', '-', '"', '[', ']', '{', '}', ',', '9', '__proto__'),
    )
    fc.assert(
      fc.property(value, fc.array(change, { minLength: 1, maxLength: 3 }), (original, changes) => {
        let stored = encodeAnswer(original, 'value', ROOMY)
        for (const [place, by] of changes) {
          const at = place % stored.length
          stored = stored.slice(0, at) + by + stored.slice(at + 1)
          if (stored === '') return
        }
        readOrRefused(stored)
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    ['deeper than any call may go', '['.repeat(200_000)],
    ['deeper, and well-formed', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['a failure that is its own cause', '{"$devalue":[["Failure",1],{"type":2,"message":2,"cause":1},"x"]}'],
    ['half an element', '{"$devalue":[["Bytes",1],[2,3],"Uint16Array","AA=="]}'],
  ])('is read or refused: %s', (_what, stored) => readOrRefused(stored))
})
