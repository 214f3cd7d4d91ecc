// The Idempotency-Key header: the caller's name for one request, so that it may be sent again blindly. Quotes, as
// the header's draft standard wants them, and bare text, as most clients send it, mean the same key.

import type { Context } from 'hono'
import { parse } from './body.js'
import * as schemas from './schemas.js'

export function readIdempotencyKey(c: Context): string | undefined {
  const header = c.req.header('idempotency-key')
  if (header === undefined) return undefined
  const quoted = /^"(.*)"$/.exec(header)
  return parse(schemas.idempotencyKey, quoted?.[1] ?? header, 'Idempotency-Key header')
}
