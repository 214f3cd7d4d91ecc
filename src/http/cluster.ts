// The cluster over HTTP: nodes with their load, partitions with their owners, and how even it is.

import type { Client } from '../client/client.js'
import { parseQuery } from './body.js'
import type { Route } from './route.js'
import { noQuery } from './schemas.js'
import { toJson } from './to-json.js'

export function clusterRoute(client: Client): Route {
  return {
    path: '/cluster',
    methods: {
      GET: async (c) => {
        parseQuery(c, noQuery)
        return c.json(toJson(await client.clusterStats()))
      },
    },
  }
}
