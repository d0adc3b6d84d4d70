// A page of another origin that has an unmodified library from a package, in Chromium:
// node browser.cjs LIBRARY URL WRITE_KEY
'use strict'

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { chromium } = require('playwright-core')

const [library, hub, key] = process.argv.slice(2)
const modules = process.env.NODE_PATH
// For each step, in milliseconds: a slow machine needs it.
const patience = 90000
const flags =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

const segment = (options) => `
  window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: '${key}', cdnURL: '${hub}' }, ${JSON.stringify(options)})`
const rudder = (options) => `
  window.analytics = new rudderanalytics.RudderAnalytics()
  analytics.load('${key}', '${hub}', ${JSON.stringify({ configUrl: hub, ...options })})`
const batching = { integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: 10, timeout: 500 } } } } }

// What a shop's page would have: the library as it is published, told where the hub is.
const pages = {
  segment: { file: '@segment/analytics-next/dist/umd/index.js', load: segment({}) },
  'segment-batching': { file: '@segment/analytics-next/dist/umd/index.js', load: segment(batching) },
  'segment-1.63': { file: 'analytics-next-1.63/dist/umd/index.js', load: segment({}) },
  // As the snippet does it: calls are queued until the library is there, which is loaded last.
  'segment-snippet': {
    file: '@segment/analytics-next/dist/umd/standalone.js',
    last: true,
    load: `
      const queue = window.analytics = []
      queue.invoked = true
      queue._writeKey = '${key}'
      queue._cdn = '${hub}'
      for (const method of ['page', 'track', 'identify']) queue[method] = (...given) => queue.push([method, ...given])
      queue._loadOptions = {}`,
  },
  rudder: { file: '@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js', load: rudder({}) },
  'rudder-beacon': {
    file: '@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js',
    load: rudder({ useBeacon: true, beaconQueueOptions: { flushQueueInterval: 500 } }),
  },
}

const { file, load, last } = pages[library]
const script = '<script src="/library.js"></script>'
const html = `<!doctype html><meta charset="utf-8"><title>Pricing</title>
${last ? '' : script}<script>${load}</script>
<script>
  analytics.page('Pricing')
  analytics.track('Visited', { city: 'Zürich' })
  analytics.identify('${library}-1', { plan: 'pro', seats: 3, city: '中文' })
  analytics.track('Order Completed', { total: 29.33, products: [{ sku: 'A-1' }, { sku: '中文' }] })
</script>${last ? script : ''}`

// The page stays open until the hub has what it says: a beacon tells nobody that it arrived.
async function arrived() {
  const headers = { authorization: `Bearer ${process.env.OPENHUB_API_KEY}` }
  const answer = await fetch(`${hub}/api/v1/events`, { headers })
  return (await answer.json()).events.length
}

const server = http.createServer((request, response) => {
  if (request.url === '/library.js') {
    response.setHeader('content-type', 'text/javascript')
    return response.end(fs.readFileSync(path.join(modules, file)))
  }
  response.setHeader('content-type', 'text/html')
  response.end(html)
})

async function main() {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, headless: true, args: flags.split(' '), timeout: patience })
  try {
    const page = await browser.newPage()
    page.on('console', (message) => console.error(message.text()))
    page.on('pageerror', (error) => console.error(error))
    page.on('response', (response) => {
      if (response.status() >= 400) console.error(`${response.status()} ${response.url()}`)
    })
    await page.goto(`http://localhost:${server.address().port}/`, { timeout: patience })
    const began = Date.now()
    for (let there = 0; there < 4; there = await arrived()) {
      if (Date.now() - began > patience) throw new Error(`only ${there} of 4 calls arrived`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  } finally {
    await browser.close()
    server.close()
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
