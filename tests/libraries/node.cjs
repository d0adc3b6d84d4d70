// The unmodified `@segment/analytics-node`, pointed at a hub: node node.cjs URL WRITE_KEY
'use strict'

const { Analytics } = require('@segment/analytics-node')

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, maxRetries: 0, flushAt: 4 })
analytics.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})

const timestamp = new Date('2026-01-31T12:00:00.000Z')
analytics.identify({ userId: 'node-1', traits: { plan: 'pro', seats: 3 }, timestamp })
analytics.track({
  userId: 'node-1',
  event: 'Order Completed',
  messageId: 'node-order-1',
  properties: { total: 29.33, products: [{ sku: 'A-1' }, { sku: '中文' }] },
  timestamp,
})
analytics.page({ userId: 'node-1', name: 'Pricing', properties: { url: 'https://example.com/pricing' }, timestamp })
// The fourth fills a request; the next one goes out when that has come in, since the library sends several at a time.
analytics.screen({ userId: 'node-1', name: 'Cart', timestamp }, rest)

function rest() {
  analytics.group({ userId: 'node-1', groupId: 'acme', traits: { industry: 'music' }, timestamp })
  analytics.alias({ previousId: 'node-anonymous', userId: 'node-1', timestamp })
  analytics.track({ anonymousId: 'node-visitor', event: 'Visited', timestamp })
  // The same id again: one event.
  analytics.track({ userId: 'node-1', event: 'Order Completed', messageId: 'node-order-1', timestamp })

  analytics.closeAndFlush({ timeout: 30000 }).catch((error) => {
    console.error(error)
    process.exitCode = 1
  })
}
