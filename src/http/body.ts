// Request bodies: bounded, JSON, UTF-8, parsed once. An empty body is `undefined`, never an empty object.
// Must never guess: another content type is 415, malformed text is 400.

import type { Context } from 'hono'
import type { z } from 'zod'
import { HttpProblem } from './problem.js'

/** Twice the default payload limit: room for the envelope and for escapes; the client counts the payload itself. */
export const BODY_BYTES_MAX = 2 * 1_048_576

const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/i
const decoder = new TextDecoder('utf-8', { fatal: true })

/** Any JSON value, or undefined when the body is empty. */
export async function readJson(c: Context): Promise<unknown> {
  const bytes = await c.req.arrayBuffer()
  if (bytes.byteLength === 0) return undefined
  const type = c.req.header('content-type') ?? ''
  if (!JSON_TYPE.test(type)) {
    throw new HttpProblem(
      'UNSUPPORTED_MEDIA_TYPE',
      `The body is announced as ${type === '' ? 'nothing' : JSON.stringify(type.slice(0, 80))}. ` +
        'Send JSON with "Content-Type: application/json".',
      { Accept: 'application/json' },
    )
  }
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new HttpProblem(
      'MALFORMED_JSON',
      'The body is no JSON text in UTF-8. Check its syntax and its encoding.',
      {},
      { cause },
    )
  }
}

/** A value that a schema has accepted. @throws HttpProblem 400 with every issue */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.slice(0, 20).map(({ path, message }) => {
    const where = path.map(String).join('.')
    return where === '' ? message : `${where}: ${message}`
  })
  throw new HttpProblem(
    'INVALID_ARGUMENT',
    `The ${what} is not acceptable: ${issues.join('; ')}.`,
    {},
    { issues },
  )
}

/** Query parameters as one record; a parameter that is given twice is refused unless it is `repeatable`. */
export function parseQuery<S extends z.ZodType>(
  c: Context,
  schema: S,
  repeatable: readonly string[] = [],
): z.output<S> {
  const record: Record<string, string | string[]> = {}
  for (const [name, values] of Object.entries(c.req.queries())) {
    const [first = ''] = values
    if (repeatable.includes(name)) record[name] = values
    else if (values.length > 1) {
      throw new HttpProblem(
        'INVALID_ARGUMENT',
        `The query parameter "${name}" is given ${values.length} times. Give it once.`,
      )
    } else record[name] = first
  }
  return parse(schema, record, 'query string')
}
