// The door `cerebelum/http`: the HTTP face over a client, and the server that carries it. What is not exported
// here does not exist for users; src/http/README.md is the guide of the API.

export { createHttpApp, type HttpAppOptions } from './http/app.js'
export { type Readiness } from './http/health.js'
export { serveHttp, type HttpServer, type ServeHttpOptions } from './http/serve.js'
