"use strict";

// Sends what GraphiQL asks, with the credential of the box beside it. Nothing is stored: a
// credential lives as long as the page, and each tier has a schema of its own.

const EXAMPLES = [
  {
    title: "The head of the log",
    query: `# Which enterprises are there, and how do they stand?
query Enterprises {
  checkpoint { origin treeSize rootHash signedAt }
  enterprises(first: 10) {
    edges {
      node {
        label
        name { zh en }
        port
        rating { ... on CreditRating { grade points } ... on Refusal { code message } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  },
  {
    title: "One enterprise",
    query: `# Put an identifier or a label of the first tab into the variables.
query Enterprise($id: String!) {
  enterprise(id: $id) {
    ... on Enterprise {
      identifier { scheme value }
      name { zh en }
      rating {
        ... on CreditRating {
          grade
          points
          reasons { leafIndex rule points endsOn statement { __typename code outcome decidedOn } }
          flags
          since
          nextChange { on grade points }
          policy { name version hash }
        }
        ... on Refusal { code message }
      }
      statements(first: 10) {
        edges { node { __typename leafIndex code outcome severity decidedOn issuer { name { zh en } } } }
        pageInfo { hasNextPage endCursor }
      }
    }
    ... on Refusal { code message path }
  }
}
`,
    variables: '{ "id": "" }',
  },
  {
    title: "Where goods came from",
    query: `# What a code says: a GS1 Digital Link or an EPC URN.
query Trace($link: String!) {
  trace(link: $link, direction: BOTH) {
    ... on Trace {
      nodes { identifier grain direction level }
      edges { source target kind }
      events { leafIndex position type bizStep eventTime readPoint party { name { zh en } } }
      truncated
    }
    ... on Refusal { code message path }
  }
}
`,
    variables: '{ "link": "" }',
  },
  {
    title: "An entry and its proof",
    query: `query Entry {
  entry(leafIndex: 0) {
    ... on Entry { leaf leafHash form loggedAt inclusionPath checkpoint { treeSize rootHash note } }
    ... on Refusal { code message }
  }
}
`,
  },
];

const box = document.getElementById("credential");

async function fetcher(request, options) {
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json",
    ...(options && options.headers),
  };
  const credential = box.value.trim();
  if (credential) {
    headers.Authorization = `Bearer ${credential}`;
  }
  const answer = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify(request) });
  return answer.json();
}

function page(version) {
  return React.createElement(GraphiQL, {
    key: version,
    fetcher,
    isHeadersEditorEnabled: false,
    shouldPersistHeaders: false,
    defaultTabs: EXAMPLES,
  });
}

const root = ReactDOM.createRoot(document.getElementById("graphiql"));
let version = 0;
root.render(page(version));
// Another credential may mean another schema.
box.addEventListener("change", () => root.render(page(++version)));
