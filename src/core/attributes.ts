// Search attributes: few, small, of plain values that both databases can index. Checked before anything is written,
// because one value that the database refuses would refuse a whole batch.

import { CerebelumError } from './errors.js'
import type { Attributes } from './execution.js'
import { checkName, isStorable } from './ids.js'
import type { Limits } from './limits.js'

/** @throws CerebelumError INVALID_ARGUMENT | INVALID_NAME | PAYLOAD_TOO_LARGE */
export function checkAttributes(attributes: unknown, what: string, limits: Limits): Attributes {
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw new CerebelumError(
      'INVALID_ARGUMENT',
      `The attributes of ${what} must be an object such as { customer: 'c-7' }, not ${typeOf(attributes)}.`,
    )
  }
  const entries: [string, unknown][] = Object.entries(attributes)
  const { attributesMax, attributesBytesMax } = limits
  if (entries.length > attributesMax) {
    throw new CerebelumError(
      'PAYLOAD_TOO_LARGE',
      `The attributes of ${what} are ${entries.length}, over the limit attributesMax of ${attributesMax}. ` +
        'Keep what you search by, and put the rest into the input.',
      { limit: 'attributesMax' },
    )
  }
  const checked = Object.fromEntries(
    entries.map(([name, value]) => {
      checkName(name, `attribute name of ${what}`, limits.nameCharactersMax)
      return [name, checkValue(name, value, what)] as const
    }),
  )
  const bytes = Buffer.byteLength(JSON.stringify(checked))
  if (bytes > attributesBytesMax) {
    throw new CerebelumError(
      'PAYLOAD_TOO_LARGE',
      `The attributes of ${what} have ${bytes} bytes, over the limit attributesBytesMax of ${attributesBytesMax}. ` +
        'Keep what you search by, and put the rest into the input.',
      { limit: 'attributesBytesMax', bytes, bytesMax: attributesBytesMax },
    )
  }
  return checked
}

function checkValue(name: string, value: unknown, what: string): Attributes[string] {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'string' && isStorable(value)) return value
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The attribute "${name}" of ${what} is ${typeOf(value)}. ` +
      'Attributes are texts (without NUL and lone surrogates), finite numbers, booleans or null.',
  )
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' ? 'a text that cannot be stored' : typeof value
}
