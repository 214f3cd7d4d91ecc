// A process of `child-node.ts` for tests: it is killed and reaped after the test that started it (or after the file:
// `reap: 'afterAll'`); none may outlive the tests.

import { afterAll, afterEach } from 'vitest'
import { startChildNode, type ChildNodeOptions, type NodeProcess } from './child-node.js'

export type { NodeProcess } from './child-node.js'

export interface NodeProcessOptions extends ChildNodeOptions {
  readonly reap?: 'afterEach' | 'afterAll'
}

export function startNodeProcess(options: NodeProcessOptions): NodeProcess {
  const running = startChildNode(options)
  reapLists[options.reap ?? 'afterEach'].add(running)
  return running
}

const reapLists = { afterEach: new Set<NodeProcess>(), afterAll: new Set<NodeProcess>() }

async function reapAll(list: Set<NodeProcess>): Promise<void> {
  const processes = [...list]
  list.clear()
  await Promise.all(processes.map((running) => running.kill('SIGKILL')))
}

afterEach(() => reapAll(reapLists.afterEach))
afterAll(() => reapAll(reapLists.afterAll))
