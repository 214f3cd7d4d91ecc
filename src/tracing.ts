// The door `cerebelum/tracing`: what an SDK of OpenTelemetry is set up with. It loads nothing else of ours, because an SDK
// has to be there before what it watches is loaded.

export { traceIds } from './metrics/trace-ids.js'
