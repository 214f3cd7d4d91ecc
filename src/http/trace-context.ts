// The caller's trace, from the header of W3C Trace Context. One that is malformed is as good as none, says the standard;
// in a body it is a mistake of the caller, and refused.

import type { Context } from 'hono'
import { formatTraceparent, parseTraceparent } from '../core/trace-ids.js'

/** For the options of a start; what they say themselves goes first. */
export function traceContextOf(c: Context): { readonly traceparent?: string } {
  const parent = parseTraceparent(c.req.header('traceparent') ?? '')
  return parent === undefined ? {} : { traceparent: formatTraceparent(parent) }
}
