// A real OpenID provider (npm: oidc-provider) with one client and an account for whatever name somebody logs in with. Each start has a
// key of its own. Arguments: the port (0: any), and the client's redirect URI.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// Whoever starts it reads one line of its output.
process.stdout.on('error', () => {});
const module = pathToFileURL(join(process.env.NODE_PATH, 'oidc-provider/lib/index.js'));
const { default: Provider } = await import(module);
const [port, redirectUri] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };

const claims = (sub) => ({ sub, email: `${sub}@example.com`, email_verified: sub !== 'eve', name: sub });
const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [{ client_id: 'openhub', client_secret: 'a secret of the client', redirect_uris: [redirectUri] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    // What a scope asks for stands in the ID token, too, as most providers have it.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => claims(sub) }),
  });
  server.on('request', provider.callback());
  console.log(`listening on ${issuer}`);
});
