// Ids and names: how they are made and what they may look like.

import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import { CerebelumError } from './errors.js'

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'

const RANDOM_BYTES = 16
/** Random bytes drawn ahead: a draw costs the same for 16 of them as for thousands. */
const drawn = new Uint8Array(4_096)
const id = new Uint8Array(16)
let used = drawn.length

function takeRandom(): Uint8Array {
  if (used === drawn.length) {
    randomFillSync(drawn)
    used = 0
  }
  used += RANDOM_BYTES
  return drawn.subarray(used - RANDOM_BYTES, used)
}

/** A time-ordered id: the 128 bits of a UUIDv7 (RFC 9562) in 26 sortable characters, 10 shorter than its hex form. */
export function newId(): string {
  const bytes = v7({ rng: takeRandom }, id)
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += DIGITS[(held >>> bits) & 31]
      held &= (1 << bits) - 1
    }
  }
  return text + DIGITS[(held << (5 - bits)) & 31]
}

// Control characters, line and paragraph separators, marks that turn or hide text around them, lone surrogates: an id
// must look like what it is, in a log as in a URL.
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/u

/** What neither database's jsonb can hold. */
const UNSTORABLE = /[\0\ud800-\udfff]/u

/** Whether a text can be part of a JSON column. */
export function isStorable(text: string): boolean {
  return !UNSTORABLE.test(text)
}

/** The beginning of a text, never half a character of it. */
export function cutText(text: string, charactersMax: number): string {
  return text.slice(0, charactersMax).replace(/[\ud800-\udbff]$/, '')
}

/** @throws CerebelumError INVALID_ID */
export function checkId(id: unknown, what: string, charactersMax: number): string {
  return check(id, what, charactersMax, 'INVALID_ID', 'idCharactersMax')
}

/** @throws CerebelumError INVALID_NAME */
export function checkName(name: unknown, what: string, charactersMax: number): string {
  return check(name, what, charactersMax, 'INVALID_NAME', 'nameCharactersMax')
}

function check(
  value: unknown,
  what: string,
  max: number,
  code: 'INVALID_ID' | 'INVALID_NAME',
  limit: string,
): string {
  if (typeof value !== 'string' || value.length === 0) {
    throw new CerebelumError(
      code,
      `The ${what} must be a text of 1 to ${max} characters, not ${value === '' ? 'an empty one' : typeof value}.`,
    )
  }
  if (value.length > max) {
    throw new CerebelumError(
      code,
      `The ${what} "${cutText(value, 40)}…" has ${value.length} characters, over the limit ${limit} of ${max}.`,
      { limit },
    )
  }
  if (UNPRINTABLE.test(value) || value.trim() !== value) {
    throw new CerebelumError(
      code,
      `The ${what} ${JSON.stringify(cutText(value, 40))} has control characters or outer spaces. Use printable ones.`,
    )
  }
  // Every URL parser takes them out of a path, encoded or not.
  if (value === '.' || value === '..') {
    throw new CerebelumError(code, `The ${what} "${value}" cannot be part of a URL. Use another one.`)
  }
  return value
}
