whenShown('what-if-model',async box=>{
const size=s=>s.reduce((a,b)=>a*b,1);
const make=(kind,shape)=>({kind,shape,v:new(kind=='f'?Float32Array:kind=='i'?Int32Array:Uint8Array)(size(shape))});
const steps=s=>{let r=[],n=1;for(let i=s.length;i--;n*=s[i])r[i]=n;return r};
const walk=(shape,strides,start,f)=>{
  const n=size(shape),at=shape.map(()=>0);
  let p=start;
  for(let i=0;i<n;i++){
    f(i,p,at);
    for(let a=shape.length;a--;){p+=strides[a];if(++at[a]<shape[a])break;p-=strides[a]*shape[a];at[a]=0}
  }
};
const spread=(x,out)=>{
  if(size(x.shape)==size(out.shape))return x.v;
  const own=steps(x.shape),lead=out.shape.length-x.shape.length,v=new x.v.constructor(size(out.shape));
  walk(out.shape,out.shape.map((_,a)=>a<lead||x.shape[a-lead]==1?0:own[a-lead]),0,(i,p)=>{v[i]=x.v[p]});
  return v;
};
const each=f=>(out,xs)=>{
  const vs=xs.map(x=>x&&spread(x,out)),n=vs.length;
  for(let i=0;i<out.v.length;i++)out.v[i]=n==1?f(vs[0][i]):n==2?f(vs[0][i],vs[1]&&vs[1][i]):f(...vs.map(v=>v&&v[i]));
};
const permuted=(x,perm)=>{
  const own=steps(x.shape),out=make(x.kind,perm.map(a=>x.shape[a]));
  walk(out.shape,perm.map(a=>own[a]),0,(i,p)=>{out.v[i]=x.v[p]});
  return out;
};
const fold=f=>(out,[x],{axes})=>{
  const n=size(axes.map(a=>x.shape[a])),y=permuted(x,[...x.shape.keys()].filter(a=>!axes.includes(a)).concat(axes));
  for(let i=0;i<out.v.length;i++)out.v[i]=f(y.v.subarray(i*n,i*n+n));
};
const total=v=>{let t=0;for(const one of v)t+=one;return t};
const most=v=>{let t=v[0];for(const one of v)t=Math.max(t,one);return t};
const least=v=>{let t=v[0];for(const one of v)t=Math.min(t,one);return t};
const extreme=sign=>(out,[x],{axis,last})=>fold(v=>{
  let at=0;
  for(let i=1;i<v.length;i++)if(sign*v[i]>sign*v[at]||last&&v[i]==v[at])at=i;
  return at;
})(out,[x],{axes:[axis]});
const product=(out,a,b,batch,m,k,n)=>{
  const A=steps(a.shape),B=steps(b.shape),r=batch.length,
  strides=(x,own)=>batch.map((_,i)=>{let j=i-r+x.shape.length-2;return j<0||x.shape[j]==1?0:own[j]});
  const sb=strides(b,B),starts=[];
  walk(batch,sb,0,(i,p)=>{starts.push(p)});
  walk(batch,strides(a,A),0,(i,p)=>{
    for(let y=0;y<m;y++)for(let x=0;x<n;x++){
      let t=0;
      for(let z=0;z<k;z++)t+=a.v[p+y*k+z]*b.v[starts[i]+z*n+x];
      out.v[(i*m+y)*n+x]=t;
    }
  });
};
const slid=f=>(out,xs,at)=>{
  const x=xs[0],[H,W]=[x.shape[2],x.shape[3]??1],wide=x.shape.length==3;
  const h=wide?1:H,w=wide?H:W,o=out.shape,oh=wide?1:o[2],ow=wide?o[2]:o[3];
  const inside=(y,z,end)=>y>=-at.begins[0]&&z>=-at.begins[1]&&y<h+(end?at.ends[0]:0)&&z<w+(end?at.ends[1]:0);
  for(let c=0;c<o[1];c++)for(let i=0;i<oh;i++)for(let j=0;j<ow;j++){
    const taps=[];
    for(let ky=0;ky<at.kernel[0];ky++)for(let kx=0;kx<at.kernel[1];kx++){
      const y=i*at.strides[0]-at.begins[0]+ky*at.dilations[0],z=j*at.strides[1]-at.begins[1]+kx*at.dilations[1];
      if(y>=0&&z>=0&&y<h&&z<w)taps.push([y*w+z,ky*at.kernel[1]+kx]);
      else if(at.counted&&inside(y,z,true))taps.push([-1,0]);
    }
    out.v[(c*oh+i)*ow+j]=f(taps,c,xs,at,h*w);
  }
};
const tap=(x,c,n,p)=>p<0?0:x.v[c*n+p];
const coefficients=[[-6.090353e-4,5.0119613e-3,-2.6778908e-2,1.1282141e-1,-3.7612525e-1,1.2837915e-1],
  [-1.0432443e-5,3.1485152e-4,-3.6103157e-3,2.3694512e-2,-1.0615899e-1,-6.3519806e-1,-1.2863706e-1]];
const power=(c,x)=>c.reduce((t,one)=>t*x+one,0);
const erf=x=>{
  const held=Math.min(Math.max(x,-4),4),far=Math.abs(held);
  return far>.9?Math.sign(held)*(1-Math.exp(far*power(coefficients[1],far)-far)):held+held*power(coefficients[0],held*held);
};
const even=x=>{const r=Math.round(x);return r-x==.5&&r%2?r-1:r};
const same=(out,[x])=>out.v.set(x.v);
const moved=(out,[x],{begins,strides,mode,fill})=>{
  const own=steps(x.shape);
  walk(out.shape,out.shape.map(()=>0),0,(i,_,at)=>{
    let p=0,off=false;
    for(let a=0;a<at.length;a++){
      let q=begins[a]+strides[a]*at[a],n=x.shape[a];
      if(q<0||q>=n){if(mode==0)off=true;else if(mode==1)q=Math.min(Math.max(q,0),n-1);else{const t=2*(n-1);q=(q%t+t)%t;if(q>=n)q=t-q}}
      p+=q*own[a];
    }
    out.v[i]=off?fill:x.v[p];
  });
};
const bend=a=>1/(1+Math.exp(-a));
const recurrent=step=>(out,[x,w,r,b],{sequence,late})=>{
  const [,C,T]=x.shape,G=w.shape[1],U=r.shape[2],h=new Float32Array(U),c=new Float32Array(U);
  for(let t=0;t<T;t++){
    const a=[],s=[];
    for(let g=0;g<G;g++){
      a[g]=b?b.v[g]:0;s[g]=b?b.v[G+g]:0;
      for(let i=0;i<C;i++)a[g]+=w.v[g*C+i]*x.v[i*T+t];
      for(let u=0;u<U;u++)s[g]+=r.v[g*U+u]*h[u];
    }
    if(late===0){
      const kept=h.map((v,u)=>v*bend(a[U+u]+s[U+u]));
      for(let g=2*U;g<G;g++){s[g]=b?b.v[G+g]:0;for(let u=0;u<U;u++)s[g]+=r.v[g*U+u]*kept[u]}
    }
    for(let u=0;u<U;u++)h[u]=step(n=>a[n*U+u]+s[n*U+u],c,u,a[2*U+u],s[2*U+u],h[u],late);
    if(sequence)for(let u=0;u<U;u++)out.v[u*T+t]=h[u];
  }
  if(!sequence)out.v.set(h);
};
const operators={
  LSTM:recurrent((g,c,u)=>bend(g(1))*Math.tanh(c[u]=bend(g(2))*c[u]+bend(g(0))*Math.tanh(g(3)))),
  GRU:recurrent((g,c,u,a,s,h,late)=>{const n=Math.tanh(a+(late?bend(g(1)):1)*s);return n+bend(g(0))*(h-n)}),
  Add:each((a,b)=>a+b),Sub:each((a,b)=>a-b),Mul:each((a,b)=>a*b),
  Div:(out,xs)=>each(out.kind=='f'?(a,b)=>a/b:(a,b)=>Math.trunc(a/b))(out,xs),
  Pow:each((a,b)=>a**b),Max:each((...v)=>most(v)),Min:each((...v)=>least(v)),
  Equal:each((a,b)=>a==b),Greater:each((a,b)=>a>b),GreaterOrEqual:each((a,b)=>a>=b),
  Less:each((a,b)=>a<b),LessOrEqual:each((a,b)=>a<=b),
  And:each((a,b)=>a&&b),Or:each((a,b)=>a||b),Xor:each((a,b)=>!a!=!b),Not:each(a=>!a),
  Where:each((c,a,b)=>c?a:b),IsNaN:each(a=>a!=a),
  Abs:each(Math.abs),Neg:each(a=>-a),Sqrt:each(Math.sqrt),Exp:each(Math.exp),Log:each(Math.log),
  Floor:each(Math.floor),Ceil:each(Math.ceil),Round:each(even),Reciprocal:each(a=>1/a),Sign:each(Math.sign),
  Sin:each(Math.sin),Cos:each(Math.cos),Erf:each(erf),Tanh:each(Math.tanh),
  Relu:each(a=>Math.max(a,0)),Sigmoid:each(bend),
  LeakyRelu:(out,xs,{alpha})=>each(a=>a>=0?a:a*alpha)(out,xs),
  Clip:each((a,low,high)=>{if(low!==undefined)a=Math.max(a,low);return high===undefined?a:Math.min(a,high)}),
  Cast:(out,xs)=>each(out.kind=='b'?a=>a!=0:out.kind=='i'?Math.trunc:a=>a)(out,xs),
  Same:same,Expand:each(a=>a),Slice:moved,Pad:moved,
  Transpose:(out,[x],{perm})=>same(out,[permuted(x,perm)]),
  Concat:(out,xs,{axis})=>{
    const own=steps(out.shape);
    let start=0;
    for(const x of xs){walk(x.shape,own,start*own[axis],(i,p)=>{out.v[p]=x.v[i]});start+=x.shape[axis]}
  },
  Gather:(out,[x,index],{axis})=>{
    const inner=size(x.shape.slice(axis+1)),n=x.shape[axis],m=index.v.length,outer=size(x.shape.slice(0,axis));
    for(let o=0;o<outer;o++)for(let i=0;i<m;i++)for(let k=0;k<inner;k++)
      out.v[(o*m+i)*inner+k]=x.v[(o*n+(index.v[i]<0?index.v[i]+n:index.v[i]))*inner+k];
  },
  GatherElements:(out,[x,index],{axis})=>{
    const own=steps(x.shape);
    walk(out.shape,own.map((s,a)=>a==axis?0:s),0,(i,p)=>{
      const j=index.v[i];
      out.v[i]=x.v[p+own[axis]*(j<0?j+x.shape[axis]:j)];
    });
  },
  MatMul:(out,[a,b])=>{
    const m=a.shape.at(-2),k=a.shape.at(-1),n=b.shape.at(-1);
    product(out,a,b,out.shape.slice(0,-2),m,k,n);
  },
  Gemm:(out,[a,b,c],{transA,transB,alpha,beta})=>{
    if(transA)a=permuted(a,[1,0]);
    if(transB)b=permuted(b,[1,0]);
    product(out,a,b,[],a.shape[0],a.shape[1],b.shape[1]);
    const more=c&&spread(c,out);
    for(let i=0;i<out.v.length;i++)out.v[i]=alpha*out.v[i]+(more?beta*more[i]:0);
  },
  Softmax:(out,[x],{axis})=>{
    const own=steps(x.shape),n=x.shape[axis];
    walk(x.shape.map((s,a)=>a==axis?1:s),own,0,(_,p)=>{
      const v=Array.from({length:n},(_,i)=>x.v[p+i*own[axis]]),top=most(v),e=v.map(one=>Math.exp(one-top)),t=total(e);
      e.forEach((one,i)=>{out.v[p+i*own[axis]]=one/t});
    });
  },
  ArgMax:extreme(1),ArgMin:extreme(-1),
  ReduceSum:fold(total),ReduceMean:fold(v=>total(v)/v.length),ReduceMax:fold(most),ReduceMin:fold(least),
  ReduceProd:fold(v=>v.reduce((a,b)=>a*b,1)),ReduceL1:fold(v=>total(v.map(Math.abs))),
  ReduceL2:fold(v=>{let t=0;for(const one of v)t+=one*one;return Math.sqrt(t)}),
  ReduceSumSquare:fold(v=>{let t=0;for(const one of v)t+=one*one;return t}),
  ReduceLogSumExp:fold(v=>{const top=most(v);let t=0;for(const one of v)t+=Math.exp(one-top);return Math.log(t)+top}),
  GlobalAveragePool:fold(v=>total(v)/v.length),GlobalMaxPool:fold(most),
  Conv:slid((taps,c,[x,w,b],at,n)=>{
    const each=w.shape[1],first=Math.floor(c/(w.shape[0]/at.group))*each,k=at.kernel[0]*at.kernel[1];
    let t=0;
    for(let d=0;d<each;d++)for(const[p,q]of taps)t+=x.v[(first+d)*n+p]*w.v[(c*each+d)*k+q];
    return t+(b?b.v[c]:0);
  }),
  MaxPool:slid((taps,c,[x],at,n)=>most(taps.map(([p])=>p<0?-Infinity:tap(x,c,n,p)))),
  AveragePool:slid((taps,c,[x],at,n)=>total(taps.map(([p])=>tap(x,c,n,p)))/taps.length),
};
const numbers=text=>!text||text=='-'?[]:text.split(',').map(Number);
const weights=await unpack(box.dataset.weights),shape=numbers(box.dataset.shape);
const values=[undefined,undefined],plan=[];
let place=0;
for(const line of box.textContent.trim().split('\n')){
  const[op,a,kind,out,...rest]=line.split(' ');
  if(op.length==1){
    const constant={kind:op,shape:numbers(a)},n=size(constant.shape);
    constant.v=new(op=='f'?Float32Array:Int32Array)(weights,place,n);
    place+=4*n;
    values.push(constant);
  }else{
    const at=Object.fromEntries(rest.map(one=>one.split('=')).map(([k,v])=>[k,/^(ax|be|en|ke|st|di|pe)/.test(k)&&k!='beta'&&k!='axis'?numbers(v):+v]));
    plan.push([operators[op],numbers(a),values.length,kind,numbers(out),at]);
    values.push(undefined);
  }
}
const run=v=>{
  values[1]={kind:'f',shape:[1,...shape],v};
  for(const[f,inputs,to,kind,out,at]of plan)f(values[to]=make(kind,out),inputs.map(i=>values[i]),at);
  return values[+box.dataset.answer].v;
};
const find=name=>document.getElementById('what-if-'+name);
const form=find('form'),pick=find('sample'),answer=find('answer'),sliders=[...form.querySelectorAll('input[type=range]')];
const labels=[...answer.querySelectorAll('li')];
let base;
const kept=await Promise.all([...pick.options].map(one=>unpack(one.dataset.values)));
const fresh=()=>{
  base=new Float32Array(kept[pick.selectedIndex]);
  for(const one of sliders)one.value=one.dataset.column===undefined?one.dataset.rest:isNaN(base[one.dataset.column])?one.dataset.rest:base[one.dataset.column];
};
const changed=()=>{
  const v=base.slice(),n=shape.length>1?shape[1]:1,by=Object.fromEntries(sliders.map(one=>[one.name,+one.value]));
  for(const one of sliders)if(one.dataset.column!==undefined&&one.dataset.moved)v[one.dataset.column]=+one.value;
  if(shape.length>1){
    const channel=find('channel'),chosen=channel.value;
    let seed=12345;
    for(let c=0;c<shape[0];c++){
      if(chosen!=='all'&&+chosen!==c)continue;
      const spread=+channel.dataset.spreads.split(',')[c];
      for(let i=0;i<n;i++){
        let u=-6;
        for(let k=0;k<12;k++){seed=(Math.imul(seed,1664525)+1013904223)>>>0;u+=seed/4294967296}
        v[c*n+i]=v[c*n+i]*by.gain+(by.offset+by.noise*u)*spread;
      }
    }
  }
  return v;
};
const show=()=>{
  const p=run(changed());
  for(const one of sliders)one.nextElementSibling.textContent=+(+one.value).toPrecision(4);
  labels.forEach((one,i)=>{
    one.dataset.value=p[i];
    const meter=one.querySelector('meter');
    if(meter)meter.value=p[i];
    one.querySelector('b').textContent=meter?(100*p[i]).toFixed(1)+' %':p[i].toPrecision(5);
  });
  const best=p.length>1?p.indexOf(most(p)):0;
  find('told').textContent=p.length>1?(total(p)>0?labels[best].querySelector('span').textContent+', '+(100*p[best]).toFixed(1)+' %':'no answer: too many values are missing'):p[0].toPrecision(5);
};
form.addEventListener('input',e=>{
  if(e.target===pick){for(const one of sliders)delete one.dataset.moved;fresh()}
  else if(e.target.dataset.column!==undefined)e.target.dataset.moved='1';
  show();
});
find('reset').addEventListener('click',()=>{for(const one of sliders)delete one.dataset.moved;fresh();show()});
form.hidden=false;
fresh();show();
});
