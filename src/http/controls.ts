// What a person does to an execution: cancel, terminate, pause, resume, retry. All are recorded in its history
// before the answer; cancel and pause take effect when its code next waits, hence 202.

import type { Context } from 'hono'
import type { z } from 'zod'
import type { Client } from '../client/client.js'
import { parse, parseQuery, readJson } from './body.js'
import { pathParameter, type Route } from './route.js'
import * as schemas from './schemas.js'

export function controlRoutes(client: Client): readonly Route[] {
  const { reasonBody, noBody } = schemas
  return [
    control('cancel', 202, reasonBody, (id, body) => client.cancel(id, body?.reason)),
    control('terminate', 200, reasonBody, (id, body) => client.terminate(id, body?.reason)),
    control('pause', 202, noBody, (id) => client.pause(id)),
    control('resume', 200, noBody, (id) => client.resume(id)),
    control('retry', 200, noBody, (id) => client.retry(id)),
  ]
}

function control<S extends z.ZodType>(
  name: string,
  status: 200 | 202,
  schema: S,
  act: (executionId: string, body: z.output<S>) => Promise<void>,
): Route {
  const handle = async (c: Context): Promise<Response> => {
    parseQuery(c, schemas.noQuery)
    const executionId = pathParameter(c, 'id')
    await act(executionId, parse(schema, await readJson(c), 'body'))
    return c.json({ executionId }, status)
  }
  return { path: `/executions/:id/${name}`, methods: { POST: handle } }
}
