(()=>{let d=document,o=[],q='details:not([open])',
show=()=>{let t=d.getElementById(decodeURIComponent(location.hash.slice(1)));
if(t&&!o.length){for(let p=t;p=p.closest(q);)p.open=true;t.scrollIntoView()}};
addEventListener('hashchange',show);show();
addEventListener('beforeprint',()=>{o=[...d.querySelectorAll(q)];for(let p of o)p.open=true});
addEventListener('afterprint',()=>{for(let p of o)p.open=false;o=[]})})()
