// The door `cerebelum/http`: the HTTP face over a client, and the server that carries it. What is not exported
// here does not exist for users; the routes themselves are described in src/http/app.ts.

export { createHttpApp, type HttpAppOptions } from './http/app.js'
export { type Readiness } from './http/health.js'
export { serveHttp, type HttpServer, type ServeHttpOptions } from './http/serve.js'
