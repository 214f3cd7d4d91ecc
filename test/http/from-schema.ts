// Values made up from a JSON Schema: what it allows, what it almost allows (one place spoiled), and rubbish. Names that mean
// something to the engine are drawn from what is there, so that requests get past the door.

import fc from 'fast-check'
import { ODD_TEXTS } from './nonsense.js'

type Schema = Readonly<Record<string, unknown>>
type Schemas = Readonly<Record<string, Schema>>

const odd = fc.oneof(
  fc.constantFrom(...ODD_TEXTS),
  fc.constantFrom<unknown>(null, true, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], '\ud800', 'x'.repeat(3_000)),
  fc.jsonValue({ maxDepth: 2 }),
)
const instants = fc.constantFrom('2025-12-31T23:00:00Z', '2026-01-01T12:00:00+01:00', '9999-12-31T23:59:59Z')

/** By the name of a property or parameter, in place of what its schema says. */
export type Known = Readonly<Record<string, fc.Arbitrary<unknown>>>

export interface FromSchema {
  readonly schemas: Schemas
  readonly known: Known
}

export function allowed(schema: Schema, from: FromSchema, depth = 0): fc.Arbitrary<unknown> {
  const { $ref, anyOf, oneOf, enum: values, type } = schema
  if (typeof $ref === 'string') return allowed(named($ref, from.schemas), from, depth)
  const choices: unknown = anyOf ?? oneOf
  if (Array.isArray(choices))
    return fc.oneof(...choices.map((choice: Schema) => allowed(choice, from, depth + 1)))
  if (Array.isArray(values)) return fc.constantFrom(...values)
  if ('const' in schema) return fc.constant(schema['const'])
  if (Array.isArray(type))
    return fc.oneof(...type.map((one) => allowed({ ...schema, type: one }, from, depth + 1)))
  switch (type) {
    case 'string':
      return stringOf(schema)
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(allowed(Object(schema['items']), from, depth + 1), {
        minLength: Number(schema['minItems'] ?? 0),
        maxLength: 3,
      })
    case 'object':
      return objectOf(schema, from, depth)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

/** Allowed but for one place. */
export function almost(schema: Schema, from: FromSchema): fc.Arbitrary<unknown> {
  return fc
    .tuple(allowed(schema, from), fc.array(fc.nat(9), { maxLength: 4 }), odd, fc.boolean())
    .map(([value, way, spoiled, isExtra]) => spoil(value, way, isExtra ? { extra: spoiled } : spoiled))
}

export const rubbish = odd

function named(reference: string, schemas: Schemas): Schema {
  const name = reference.slice(reference.lastIndexOf('/') + 1)
  const schema = schemas[name]
  if (schema === undefined) throw new Error(`the document has no schema ${name}`)
  return schema
}

function stringOf(schema: Schema): fc.Arbitrary<string> {
  if (schema['format'] === 'date-time') return instants
  const minLength = Number(schema['minLength'] ?? 0)
  return fc.string({ minLength, maxLength: Math.max(minLength, 12) })
}

function numberOf(schema: Schema): fc.Arbitrary<number> {
  const min = Math.max(-(2 ** 31), Number(schema['minimum'] ?? -1_000))
  const max = Math.min(2 ** 31 - 1, Number(schema['maximum'] ?? 1_000))
  return fc.integer({ min, max })
}

function objectOf(schema: Schema, from: FromSchema, depth: number): fc.Arbitrary<unknown> {
  const { properties, required, additionalProperties } = schema
  const entries = Object.entries(Object(properties)).map(
    ([name, property]) => [name, from.known[name] ?? allowed(Object(property), from, depth + 1)] as const,
  )
  if (entries.length === 0 && typeof additionalProperties === 'object') {
    return fc.dictionary(
      fc.string({ maxLength: 5 }),
      allowed(Object(additionalProperties), from, depth + 1),
      {
        maxKeys: 3,
      },
    )
  }
  const requiredKeys = Array.isArray(required) ? required.map(String) : []
  return fc.record(Object.fromEntries(entries), { requiredKeys })
}

/** Replaces what is found by a way of turns, or all of it when the way is empty. */
function spoil(value: unknown, way: readonly number[], by: unknown): unknown {
  const [turn, ...rest] = way
  if (turn === undefined) return by
  if (Array.isArray(value) && value.length > 0)
    return value.with(turn % value.length, spoil(value[turn % value.length], rest, by))
  if (typeof value !== 'object' || value === null) return by
  const keys = Object.keys(value)
  const key = keys[turn % (keys.length + 1)] ?? 'unheardOf'
  return { ...value, [key]: spoil(Reflect.get(value, key), rest, by) }
}
