// Workflows over HTTP: what was ever registered, and what one of them takes.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import { noParams, reading, workflowParams, type Operation } from './operation.js'
import { noQuery } from './schemas.js'

const listed = z
  .object({ workflows: z.array(z.object({ workflow: z.string(), version: z.string() })) })
  .meta({ id: 'Workflows', description: 'One entry for each version of each workflow.' })

const details = z
  .object({
    workflow: z.string(),
    versions: z
      .array(z.string())
      .meta({ description: 'Every version that was ever registered, newest last.' }),
    inputSchema: z.record(z.string(), z.unknown()).optional().meta({
      description: 'JSON Schema of its input, when this node has the workflow and its schema can tell.',
    }),
  })
  .meta({ id: 'WorkflowDetails' })

export function workflowOperations({ client }: { readonly client: Client }): readonly Operation[] {
  return [
    reading({
      id: 'listWorkflows',
      method: 'GET',
      path: '/workflows',
      tag: 'Workflows',
      role: 'viewer',
      summary: 'List the workflows and their versions',
      params: noParams,
      query: noQuery,
      answers: { 200: { description: 'All that were ever registered.', body: listed } },
      errors: [],
      handle: async ({ c }) => c.json({ workflows: await client.workflows() }),
    }),
    reading({
      id: 'getWorkflow',
      method: 'GET',
      path: '/workflows/:workflow',
      tag: 'Workflows',
      role: 'viewer',
      summary: 'Show a workflow: its versions and what it takes',
      params: workflowParams,
      query: noQuery,
      answers: { 200: { description: 'The workflow.', body: details } },
      errors: ['UNKNOWN_WORKFLOW', 'INVALID_NAME'],
      handle: async ({ c, params }) => c.json(await client.workflow(params.workflow)),
    }),
  ]
}
