// An unmodified library, pointed at a hub: node libraries.cjs LIBRARY URL WRITE_KEY
'use strict'

const [library, host, key] = process.argv.slice(2)
const timestamp = new Date('2026-01-31T12:00:00.000Z')
const userId = `${library}-1`
const anonymousId = `${library}-visitor`
const traits = { plan: 'pro', seats: 3, city: 'Zürich' }
const order = { total: 29.33, products: [{ sku: 'A-1' }, { sku: '中文' }] }
const messageId = `${library}-order-1`

// Libraries that are called as Segment's first one was: each call with one object.
async function classic(client, end) {
  client.identify({ userId, traits, timestamp })
  client.track({ userId, event: 'Order Completed', properties: order, messageId, timestamp })
  client.page({ userId, name: 'Pricing', properties: { url: 'https://example.com/pricing' }, timestamp })
  client.group({ userId, groupId: 'acme', traits: { industry: 'music' }, timestamp })
  client.track({ anonymousId, event: 'Visited', timestamp })
  await end()
}

const flushed = (client) => new Promise((resolve, reject) => client.flush((error) => (error ? reject(error) : resolve())))

const libraries = {
  async 'analytics-node'() {
    const Analytics = require('analytics-node')
    const client = new Analytics(key, { host, flushAt: 100, retryCount: 0 })
    await classic(client, () => flushed(client))
  },
  async customerio() {
    const { Analytics } = require('@customerio/cdp-analytics-node')
    const client = new Analytics({ writeKey: key, host, maxRetries: 0 })
    client.on('error', fail)
    await classic(client, () => client.closeAndFlush({ timeout: 30000 }))
  },
  async rudder() {
    const Analytics = require('@rudderstack/rudder-sdk-node')
    const client = new Analytics(key, { dataPlaneUrl: host, flushAt: 100, retryCount: 0 })
    await classic(client, () => flushed(client))
  },
  async dittofeed() {
    const { DittofeedSdk } = require('@dittofeed/sdk-node')
    const writeKey = `Basic ${Buffer.from(`${key}:`).toString('base64')}`
    await DittofeedSdk.init({ writeKey, host })
    const at = timestamp.toISOString()
    DittofeedSdk.identify({ userId, traits, timestamp: at })
    DittofeedSdk.track({ userId, event: 'Order Completed', properties: order, messageId, timestamp: at })
    DittofeedSdk.page({ userId, name: 'Pricing', properties: { url: 'https://example.com/pricing' }, timestamp: at })
    DittofeedSdk.track({ anonymousId, event: 'Visited', timestamp: at })
    await DittofeedSdk.flush()
  },
  async jitsu() {
    const { jitsuAnalytics } = require('@jitsu/js')
    const client = jitsuAnalytics({ host, writeKey: `${key}:secret`, s2s: true })
    await client.identify(userId, traits)
    await client.track('Order Completed', order)
    await client.page({ name: 'Pricing', url: 'https://example.com/pricing' })
    await client.group('acme', { industry: 'music' })
    await client.reset()
    await client.track('Visited')
  },
}

function fail(error) {
  console.error(error)
  process.exitCode = 1
}

libraries[library]().catch(fail)
