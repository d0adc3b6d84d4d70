// A small program against the client that openapi-typescript makes of the hub's own description.
import createClient from 'openapi-fetch'
import type { components, paths } from './api'

const [baseUrl, apiKey] = process.argv.slice(2) as [string, string]
const hub = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${apiKey}` } })

const bigSpender: components['schemas']['Condition'] = {
  all: [{ event: { name: 'Order Completed', aggregate: 'sum', of: 'total', within: '30d', is: 'ge', value: 200 } }],
}
const welcome: components['schemas']['JourneyDefinition'] = {
  trigger: { event: 'Order Completed' },
  start: 'tag',
  nodes: { tag: { type: 'update', tags: { welcomed: true }, next: 'end' }, end: { type: 'exit', reason: 'done' } },
}

async function eventually<T>(otherwise: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let waited = 0; waited < 600; waited++) {
    const seen = await look()
    if (seen !== undefined) return seen
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(otherwise)
}

async function main() {
  const must = <T>(answer: { data?: T; error?: unknown }): T => {
    if (answer.error !== undefined || answer.data === undefined) throw new Error(JSON.stringify(answer.error))
    return answer.data
  }
  must(await hub.PUT('/api/v1/attributes/{name}', { params: { path: { name: 'age' } }, body: { type: 'integer' } }))
  must(await hub.PUT('/api/v1/segments/{name}', { params: { path: { name: 'spenders' } }, body: { condition: bigSpender } }))
  must(await hub.PUT('/api/v1/journeys/{name}', { params: { path: { name: 'welcome' } }, body: welcome }))
  const receipt = must(
    await hub.POST('/v1/batch', {
      body: {
        batch: [
          { type: 'identify', userId: 'ts-1', traits: { age: 41 } },
          { type: 'track', userId: 'ts-1', event: 'Order Completed', properties: { total: 250 } },
        ],
      },
    }),
  )
  if (!receipt.success) throw new Error('it was not taken')
  // A body that the hub would refuse does not compile.
  // @ts-expect-error `open` and `closed` are all that there is
  const wrong: components['schemas']['AttributeDeclaration'] = { pages: 'ajar' }
  const refused = await hub.POST('/v1/track', { body: { userId: 'ts-1', event: '' } })
  if (refused.error?.code !== 'invalid-event') throw new Error(`it was not refused: ${JSON.stringify(refused)} ${wrong}`)
  // A 200 says that the events are in the log; the customer is there when the engine has passed them.
  const id = await eventually('there is no such customer', async () => {
    const listed = must(await hub.GET('/api/v1/customers', { params: { query: { identity: 'user_id:ts-1' } } }))
    return listed.customers[0]?.id
  })
  // What has no declared form may be read and written.
  const body = { attributes: { city: 'Bonn' }, consents: { marketing: { state: 'granted' as const } } }
  must(await hub.PATCH('/api/v1/customers/{id}', { params: { path: { id } }, body }))
  const timeline = must(await hub.GET('/api/v1/customers/{id}/timeline', { params: { path: { id } } }))
  const kinds = timeline.items.filter((item) => item.kind === 'event').map((item) => item.detail['type'])
  if (!kinds.includes('track')) throw new Error(`the timeline has no order: ${JSON.stringify(kinds)}`)
  // @ts-expect-error there is no such state
  await hub.GET('/api/v1/messages', { params: { query: { status: 'delivered' } } })
  await eventually('nobody entered the segment', async () => {
    const segment = must(await hub.GET('/api/v1/segments/{name}', { params: { path: { name: 'spenders' } } }))
    return segment.members === 1 || undefined
  })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
