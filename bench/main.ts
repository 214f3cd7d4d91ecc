// `npm run bench -- NAME`: one benchmark, ours and its reference side by side in one run.

import { Command } from 'commander'
import { registerCluster } from './commands/cluster.js'
import { registerFailover } from './commands/failover.js'
import { registerPeers } from './commands/peers.js'
import { registerThroughput } from './commands/throughput.js'

const program = new Command('bench').description('Benchmarks of Cerebelum. Durability is never turned off.')

for (const register of [registerThroughput, registerFailover, registerCluster, registerPeers])
  register(program)

await program.parseAsync()
